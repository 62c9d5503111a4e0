/*
 * chat: starts Converse.js for the server that serves this page. Nothing is asked of any other address.
 *
 * The domain is the one in the server's host-meta (XEP-0156); `config.json` beside this file, where an administrator has put one,
 * may name another, and a longer notice:  {"domain": "example.org", "notice": "Messages are archived for ten years."}
 *
 * `?transport=bosh` uses BOSH instead of WebSocket: for networks that let no WebSocket through, and for tests.
 */
import './converse/converse.min.js';

const ASSETS = new URL('converse/', import.meta.url).pathname;
const WEBSOCKET = 'urn:xmpp:alt-connections:websocket';

/* What is there as JSON; {} when there is nothing. */
async function json(path) {
	try {
		const answer = await fetch(path, { credentials: 'omit' });
		return answer.ok ? await answer.json() : {};
	} catch {
		return {};
	}
}

async function domain(config) {
	if (config.domain) {
		return config.domain;
	}
	const meta = await json('/.well-known/host-meta.json');
	const link = (meta.links || []).find((l) => l.rel === WEBSOCKET);
	return link ? new URL(link.href).hostname : location.hostname;
}

function transport() {
	if (new URLSearchParams(location.search).get('transport') === 'bosh') {
		return { bosh_service_url: `https://${location.host}/http-bind` };
	}
	return { websocket_url: `wss://${location.host}/ws` };
}

/* Converse's own links, and the pictures of its sponsors, are elsewhere; the first page shows whose chat this is. They are ours,
 * as Converse defines no element that there is. */
class Nothing extends HTMLElement {}

class Brand extends HTMLElement {
	connectedCallback() {
		const name = document.createElement('h1');
		name.textContent = home;
		this.replaceChildren(name);
	}
}

function elements() {
	customElements.define('converse-footer', Nothing);
	customElements.define('converse-controlbox-navbar', class extends Nothing {});
	customElements.define('converse-brand-logo', Brand);
}

function notice(text) {
	if (text) {
		document.getElementById('chancery-notice').textContent = text;
	}
}

/*
 * A page begins anew. Converse would resume the stream of the page before it in this tab (or of the one that the tab is a copy of) with
 * what that one had learnt of the server so far: of a page that went before all answers had come, that is half of it, and history then
 * waits for ever for the other half. As no password is kept, its user logs in again either way.
 */
sessionStorage.clear();

const config = await json('config.json');
const home = await domain(config);
notice(config.notice);
elements();

globalThis.converse.initialize({
	...transport(),
	discover_connection_methods: false,
	default_domain: home,
	muc_domain: `conference.${home}`,
	authentication: 'login',
	view_mode: 'fullscreen',
	theme: 'nordic',
	dark_theme: 'dracula',
	show_background: false,
	/* Everything from here. */
	assets_path: ASSETS,
	sounds_path: `${ASSETS}sounds/`,
	use_system_emojis: true,
	emoji_image_path: `${ASSETS}images/`,
	autocomplete_providers_url: '',
	xmpp_providers_url: '',
	providers_link: '',
	muc_search_service: '',
	embed_3rd_party_media_players: false,
	fetch_url_headers: false,
	render_media: [location.hostname],
	geouri_replacement: 'geo:$1,$2',
	domain_placeholder: home,
	/* The server archives: history comes from there, on every device the same. */
	auto_fill_history_gaps: true,
	allow_registration: false,
	allow_non_roster_messaging: true,
	enable_smacks: true,
	auto_reconnect: true,
	auto_list_rooms: true,
	auto_register_muc_nickname: false,
	muc_nickname_from_jid: true,
	allow_public_bookmarks: false,
	/* Browsers are shared: what is kept here goes with the session unless its user says otherwise. */
	persistent_store: 'IndexedDB',
	allow_user_trust_override: true,
	/* Password and derived keys are not kept. */
	reuse_scram_keys: false,
	show_client_info: false,
	/* End-to-end encryption would need WebAssembly and keep its keys in the browser; whether it is allowed at all is the server's
	 * policy. Other clients have it. */
	blacklisted_plugins: ['converse-omemo', 'converse-omemo-views'],
	loglevel: 'warn',
});
