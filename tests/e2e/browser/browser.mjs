/*
 * browser: Chromium for scenarios written elsewhere. Reads a line of JSON {page, op, args} after the other, does it, and answers
 * with a line {ok} or {error}. What it waits for, it waits for by Playwright: until it is there, or PATIENCE is over.
 *
 * Settings (argv[2]): {chromium, host, port, key, patience}: `host` is served on `port` of this machine, by the certificate with the
 * public key `key`; no other address can be reached.
 */
import readline from 'node:readline';
import { chromium } from 'playwright-core';

const settings = JSON.parse(process.argv[2]);
const pages = new Map();

const browser = await chromium.launch({
	executablePath: settings.chromium,
	args: [
		'--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
		'--disable-component-update', '--disable-sync', '--disable-dev-shm-usage',
		`--host-resolver-rules=MAP ${settings.host} 127.0.0.1:${settings.port}, MAP * ~NOTFOUND`,
		`--ignore-certificate-errors-spki-list=${settings.key}`,
	],
});

/* What a page asks of others than the server, and what it complains about, is remembered. */
async function open(name, options) {
	const context = await browser.newContext({ serviceWorkers: 'block', ...options });
	const page = await context.newPage();
	const state = { context, page, foreign: [], complaints: [] };

	context.setDefaultTimeout(settings.patience);
	page.on('request', (r) => {
		const url = new URL(r.url());
		if (url.hostname !== settings.host && !['data:', 'blob:'].includes(url.protocol)) {
			state.foreign.push(r.url());
		}
	});
	page.on('console', (m) => m.type() === 'error' && state.complaints.push(m.text()));
	page.on('pageerror', (e) => state.complaints.push(`thrown: ${e}`));
	pages.set(name, state);
}

function found(state, selector, text) {
	const all = state.page.locator(selector);
	return text === undefined ? all : all.filter({ hasText: text });
}

const ops = {
	goto: (s, url) => s.page.goto(url),
	reload: (s) => s.page.reload(),
	fill: (s, selector, text) => found(s, selector).first().fill(text),
	press: (s, selector, key) => found(s, selector).first().press(key),
	click: (s, selector, text) => found(s, selector, text).first().click(),
	/* Is there, and can be seen */
	see: (s, selector, text) => found(s, selector, text).first().waitFor({ state: 'visible' }),
	gone: (s, selector, text) => found(s, selector, text).first().waitFor({ state: 'hidden' }),
	count: (s, selector, text) => found(s, selector, text).count(),
	text: (s, selector) => found(s, selector).first().innerText(),
	box: (s, selector) => found(s, selector).first().boundingBox(),
	/* Into a field for files */
	attach: (s, selector, name, mimeType, base64) =>
		s.page.locator(selector).first().setInputFiles({ name, mimeType, buffer: Buffer.from(base64, 'base64') }),
	shot: (s, path) => s.page.screenshot({ path }).then(() => undefined),
	run: (s, code) => s.page.evaluate(code),
	foreign: (s) => s.foreign,
	complaints: (s) => s.complaints,
	close: (s) => s.context.close(),
};

async function obey({ page, op, args }) {
	try {
		const value = op === 'open' ? await open(page, args[0]) : await ops[op](pages.get(page), ...args);
		return { ok: value instanceof Object && !Array.isArray(value) && op !== 'box' ? null : value ?? null };
	} catch (e) {
		return { error: String(e).split('\n').slice(0, 6).join('\n') };
	}
}

for await (const line of readline.createInterface({ input: process.stdin })) {
	process.stdout.write(JSON.stringify(await obey(JSON.parse(line))) + '\n');
}
await browser.close();
