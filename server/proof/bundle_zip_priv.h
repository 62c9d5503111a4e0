/*
 * bundle_zip_priv: for bundle_zip.c (the directory) and bundle_stream.c (contents).
 */
#ifndef PROOF_BUNDLE_ZIP_PRIV_H
#define PROOF_BUNDLE_ZIP_PRIV_H

#include "proof/bundle_zip.h"

/* All n bytes at `at`. */
int bundle_zip_pread(const struct bundle_zip *z, void *p, size_t n, uint64_t at, struct err *e) MUST_CHECK;
/* Where the content begins. */
uint64_t bundle_zip_data(const struct bundle_member *m);

#endif
