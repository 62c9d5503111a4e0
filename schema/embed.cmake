# Writes a C file that holds the migrations and roles.sql, for the store library (store/schema.h).
#   cmake -DSCHEMA_DIR=schema -DOUT=schema_files.c -P embed.cmake

file(GLOB files ${SCHEMA_DIR}/[0-9]*_*.sql)
list(SORT files)

# As character constants: no quoting to get wrong, whatever the SQL holds.
function(embed file variable out)
	file(READ ${file} hex HEX)
	string(REGEX REPLACE "([0-9a-f][0-9a-f])" "'\\\\x\\1'," bytes "${hex}")
	# Twelve to the line, for those who look at the file.
	string(REGEX REPLACE "(([^,]+,[^,]+,[^,]+,[^,]+,)([^,]+,[^,]+,[^,]+,[^,]+,)([^,]+,[^,]+,[^,]+,[^,]+,))" "\\1\n"
		bytes "${bytes}")
	set(${out} "static const char ${variable}[] = {\n${bytes}0};\n" PARENT_SCOPE)
endfunction()

set(texts "")
set(rows "")
set(n 0)
foreach(file ${files})
	get_filename_component(name ${file} NAME)
	embed(${file} text_${n} text)
	string(APPEND texts "${text}")
	string(APPEND rows "\t{\"${name}\", text_${n}, sizeof(text_${n}) - 1},\n")
	math(EXPR n "${n} + 1")
endforeach()
if(EXISTS ${SCHEMA_DIR}/roles.sql)
	embed(${SCHEMA_DIR}/roles.sql text_roles text)
else()
	set(text "static const char text_roles[] = {0};\n")
endif()
string(APPEND texts "${text}")

file(WRITE ${OUT} "/* Made by schema/embed.cmake from schema/; do not edit. */
#include \"store/schema.h\"

${texts}
const struct schema_file schema_files[] = {
${rows}\t{0, 0, 0},
};
const size_t schema_files_n = ${n};
const struct schema_file schema_roles = {\"roles.sql\", text_roles, sizeof(text_roles) - 1};
")
