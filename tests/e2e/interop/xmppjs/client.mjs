// client.mjs: @xmpp/client, driven by lines of JSON.
//
// argv[2]: {service, domain, username, password, agent: {id, software, device}, resource, token}. Commands come one a line on standard
// input, {"do": "send", "xml": "<message …/>"}; what happens goes one a line to standard output, {"event": "stanza", "xml": …}.
import { webcrypto } from "node:crypto";
import readline from "node:readline";
import ws from "ws";
import { client, xml } from "@xmpp/client";
import parse from "@xmpp/xml/lib/parse.js";

globalThis.crypto ??= webcrypto; // node 18 has it under this name only
globalThis.WebSocket ??= ws; // and nothing of its own

const settings = JSON.parse(process.argv[2]);
const tell = (event, more = {}) => process.stdout.write(JSON.stringify({ event, ...more }) + "\n");

const { agent, token, ...options } = settings;
if (agent) {
  options.userAgent = xml("user-agent", { id: agent.id }, xml("software", {}, agent.software), xml("device", {}, agent.device));
}

const xmpp = client(options);
if (token) xmpp.fast.fetchToken = async () => token;
xmpp.fast.saveToken = async (t) => tell("token", { token: t });
xmpp.fast.deleteToken = async () => tell("token-refused");
xmpp.reconnect.delay = 50;

xmpp.on("online", (address) => tell("online", { jid: address.toString() }));
xmpp.on("error", (e) => tell("error", { text: String(e), condition: e.condition ?? null }));
xmpp.on("status", (status) => tell("status", { status }));
xmpp.on("stanza", (stanza) => tell("stanza", { xml: stanza.toString() }));
xmpp.on("nonza", (element) => tell("nonza", { xml: element.toString() }));
xmpp.on("send", (element) => tell("sent", { xml: element.toString() }));
xmpp.streamManagement.on("resumed", () => tell("resumed"));
xmpp.streamManagement.on("ack", (stanza) => tell("ack", { xml: stanza.toString() }));

const commands = {
  send: ({ xml: text }) => xmpp.send(parse(text)),
  cut: () => xmpp.socket.socket?.destroy?.() ?? xmpp.socket.destroy(),
  stop: () => xmpp.stop(),
};

readline.createInterface({ input: process.stdin }).on("line", async (line) => {
  const command = JSON.parse(line);
  try {
    await commands[command.do](command);
  } catch (e) {
    tell("error", { text: String(e) });
  }
}).on("close", () => process.exit(0));

xmpp.start().catch((e) => tell("failed", { text: String(e), condition: e.condition ?? null }));
