#!/bin/sh
# build.sh SOURCE TARGET WORK: the web chat's files in TARGET, with Converse.js from npm (as package-lock.json has it) in WORK.
set -eu
source=$1 target=$2 work=$3

mkdir -p "$work"
if ! cmp -s "$source/package-lock.json" "$work/package-lock.json" || [ ! -f "$work/node_modules/.complete" ]; then
	cp "$source/package.json" "$source/package-lock.json" "$work/"
	(cd "$work" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error)
	touch "$work/node_modules/.complete"
fi

rm -rf "$target.new"
mkdir -p "$target.new/converse/chunkjs/locales" "$target.new/converse/sounds"
cp "$source/index.html" "$source/chat.js" "$source/chat.css" "$target.new/"
dist=$work/node_modules/converse.js/dist
for file in converse.min.js converse.min.css emoji.json; do
	cp "$dist/$file" "$target.new/converse/"
done
cp -r "$dist/images" "$dist/webfonts" "$target.new/converse/"
cp "$dist"/sounds/msg_received.* "$target.new/converse/sounds/"
cp "$dist"/chunkjs/locales/*.js "$target.new/converse/chunkjs/locales/"
cp "$work/node_modules/converse.js/LICENSE" "$target.new/converse/"
# The maps of the sources are not served.
sed -i '/^\/[/*]# sourceMappingURL=/d' "$target.new"/converse/*.js "$target.new"/converse/*.css "$target.new"/converse/chunkjs/locales/*.js
touch "$target.new/.complete"
rm -rf "$target"
mv "$target.new" "$target"
