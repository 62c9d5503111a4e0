/*
 * style: the style sheet that is in every page, known to the page's policy by its hash, and the policy: nothing is loaded, nothing is run.
 */
#include <string.h>

#include "base/text.h"
#include "export/html/page.h"

static const char sheet[] =
	":root{color-scheme:light dark;--paper:#fff;--ink:#1b1f24;--soft:#57606a;--line:#d8dee4;--tint:#f6f8fa;--link:#0550ae;--warn:#8a1c1c;"
	"--warnbg:#fff1f0;--old:#7a4a00;--oldbg:#fff8e6;--new:#0f5323;--newbg:#eefbf0;--markbg:#ffe08a;--markink:#4d3300}\n"
	"@media (prefers-color-scheme:dark){:root{--paper:#15181c;--ink:#e6e9ec;--soft:#a3acb6;--line:#363c44;--tint:#1e2329;--link:#8ab8ff;"
	"--warn:#ffb3ad;--warnbg:#3a1d1d;--old:#ffd591;--oldbg:#33290f;--new:#a6e9b5;--newbg:#12301b;--markbg:#6b5200;--markink:#fff3cc}}\n"
	"*{box-sizing:border-box}\n"
	"html{font:16px/1.5 system-ui,-apple-system,'Segoe UI','Noto Sans','DejaVu Sans',sans-serif;background:var(--paper);color:var(--ink)}\n"
	"body{max-width:60rem;margin:0 auto;padding:1.5rem 1.25rem 4rem;overflow-wrap:anywhere}\n"
	"a{color:var(--link);text-underline-offset:.15em}\n"
	"a:focus-visible,summary:focus-visible{outline:3px solid var(--link);outline-offset:2px}\n"
	".skip{position:absolute;left:-999rem}.skip:focus{left:1rem;top:1rem;background:var(--paper);padding:.5rem}\n"
	"nav{display:flex;flex-wrap:wrap;gap:.25rem 1.25rem;font-size:.875rem;padding-bottom:.75rem;border-bottom:1px solid var(--line)}\n"
	"h1{font-size:1.6rem;line-height:1.25;margin:1.25rem 0 .5rem;font-weight:650}\n"
	"h2{font-size:1.1rem;margin:2rem 0 .75rem;font-weight:650}\n"
	".day>h2{position:sticky;top:0;background:var(--paper);border-bottom:2px solid var(--ink);padding:.35rem 0;z-index:1}\n"
	"dl.facts{display:grid;grid-template-columns:max-content 1fr;gap:.25rem 1.25rem;margin:1rem 0}\n"
	"dl.facts dt{color:var(--soft)}dl.facts dd{margin:0}\n"
	"table{border-collapse:collapse;width:100%;font-size:.9375rem}\n"
	"th,td{text-align:start;vertical-align:top;padding:.4rem .75rem .4rem 0;border-bottom:1px solid var(--line)}\n"
	"th{font-weight:600;color:var(--soft);font-size:.8125rem}\n"
	"td.n,th.n{text-align:end;font-variant-numeric:tabular-nums;white-space:nowrap;padding-right:1.25rem}\n"
	"time{font-variant-numeric:tabular-nums;white-space:nowrap}\n"
	"article{display:grid;grid-template-columns:5.25rem 1fr;gap:0 1rem;padding:.55rem 0;scroll-margin-top:3.5rem;border-bottom:1px solid var(--line)}\n"
	"article:target{background:var(--oldbg);box-shadow:0 0 0 .5rem var(--oldbg)}\n"
	".when{color:var(--soft);font-size:.8125rem;padding-top:.15rem}.when a{color:inherit;text-decoration:none;display:block}\n"
	".when a:hover{text-decoration:underline}\n"
	".what{min-width:0}.who{font-weight:650}.address,.soft{color:var(--soft);font-size:.875rem}\n"
	".event .what{color:var(--soft)}.event .who{font-weight:600}\n"
	".text{white-space:pre-wrap;margin:.15rem 0 0;unicode-bidi:isolate;overflow:hidden}\n"
	".subject{font-weight:600;margin:.15rem 0 0}\n"
	".chip{display:inline-block;border:1px solid currentColor;border-radius:.25rem;padding:0 .4rem;font-size:.75rem;color:var(--warn);margin-inline-start:.35rem}\n"
	".note{color:var(--soft);font-size:.875rem;font-style:italic;margin:.15rem 0 0}\n"
	".quote{border-inline-start:3px solid var(--line);padding:.1rem .75rem;margin:.35rem 0;color:var(--soft);font-size:.9375rem}\n"
	".old{border-inline-start:3px solid var(--old);background:var(--oldbg);color:var(--old);padding:.3rem .75rem;margin:.35rem 0}\n"
	".new{border-inline-start:3px solid var(--new);background:var(--newbg);color:var(--new);padding:.3rem .75rem;margin:.35rem 0}\n"
	".old b,.new b{display:block;font-size:.75rem;font-weight:600}\n"
	".gone .what{color:var(--warn);background:var(--warnbg);padding:.3rem .75rem}\n"
	".later{font-size:.875rem;margin:.35rem 0 0;padding:0;list-style:none;color:var(--soft)}\n"
	".files{margin:.35rem 0 0;padding:.4rem .75rem;list-style:none;background:var(--tint);border:1px solid var(--line);border-radius:.35rem;font-size:.9375rem}\n"
	".mark{background:var(--markbg);color:var(--markink);border-radius:.2rem;padding:0 .2rem;margin:0 .1rem;font:600 .7rem/1.4 ui-monospace,'DejaVu Sans Mono',monospace;"
	"unicode-bidi:isolate;white-space:nowrap}\n"
	"details{font-size:.875rem;margin:.35rem 0 0;color:var(--soft)}summary{cursor:pointer}\n"
	"pre,code{font:.8125rem/1.45 ui-monospace,'DejaVu Sans Mono',monospace;white-space:pre-wrap}\n"
	"pre{background:var(--tint);border:1px solid var(--line);padding:.5rem .75rem;margin:.35rem 0 0;unicode-bidi:isolate;overflow:hidden}\n"
	".people{columns:18rem;padding-inline-start:1.1rem;margin:.35rem 0}.people li{break-inside:avoid}\n"
	"footer{margin-top:3rem;padding-top:.75rem;border-top:1px solid var(--line);color:var(--soft);font-size:.8125rem}\n"
	"@media (max-width:38rem){article{grid-template-columns:1fr}.when a{display:inline;margin-inline-start:.5rem}}\n"
	"@media print{:root{--paper:#fff;--ink:#000;--soft:#444;--line:#bbb;--tint:#f6f6f6;--link:#000;--warn:#7a0000;--warnbg:#fff;--old:#5c3800;--oldbg:#fff;"
	"--new:#0b3d1a;--newbg:#fff;--markbg:#ddd;--markink:#000}\n"
	"@page{margin:18mm 16mm}html{font-size:10.5pt}body{max-width:none;padding:0}nav,.skip{display:none}.day>h2{position:static;break-after:avoid}\n"
	"article{break-inside:avoid-page}a{text-decoration:none}}\n";

const char *
html_style(void)
{
	return sheet;
}

void
html_policy(struct buf *b)
{
	uint8_t hash[SHA256_SIZE];
	char text[text_base64_size(SHA256_SIZE)];

	crypt_sha256(sheet, strlen(sheet), hash);
	text_base64_encode(hash, sizeof(hash), text);
	buf_addf(b, "default-src 'none'; style-src 'sha256-%s'; base-uri 'none'; form-action 'none'", text);
}
