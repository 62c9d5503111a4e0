// smsc.js PORT [CERTIFICATE KEY]: an SMSC on npm's smpp, which a test tells what to do: a JSON object on each line of standard input, events on standard output.
//
//     {"say": {"id": "1", "from": "33612345678", "to": "38123", "text": "…", "parts": 3, "order": [2, 0, 1], "reference": 7, "pdu": {…}}}
//                                              → {"answered": "1", "status": 0} for each part, {"said": "1", "status": 0} behind the last;
//                                                {"put_off": "1", "status": 100} whenever it shall come again
//     {"receipt": {"id": "message id", "stat": "DELIVRD"}}                                                         → {"said": …}
//     {"refuse": {"times": 2, "status": 88}}       the next submit_sm are answered so
//     {"hang": true}                               submit_sm are not answered
//     {"drop": true}                               the connections are cut
//
// What it has to deliver it keeps until it is taken, as an SMSC does: what is refused for now is delivered again, also to the next session.
const smpp = require('smpp')
const fs = require('fs')

const NOBODY = '33600000000'
const TRY_LATER = new Set([0x14, 0x64])
const [port, certificate, key] = process.argv.slice(2)
const sessions = new Set()
const waiting = []
let messages = 0, refuse = { times: 0 }, hang = false

const tell = event => process.stdout.write(JSON.stringify(event) + '\n')

function pieces (say) {
  const plain = /^[A-Za-z0-9 .,?!'()\n-]*$/.test(say.text)
  const octets = plain ? Buffer.from(say.text, 'latin1') : Buffer.from(say.text, 'utf16le').swap16()
  const base = Object.assign({ source_addr: say.from, source_addr_ton: /^\d+$/.test(say.from) ? 1 : 5, source_addr_npi: 1, destination_addr: say.to,
    data_coding: plain ? 0 : 8 }, say.pdu)
  if (!say.parts) return [Object.assign({ short_message: octets }, base)]
  const reference = say.reference || messages++ & 255
  const size = Math.ceil(octets.length / say.parts)
  const all = Array.from({ length: say.parts }, (_, i) => {
    const header = Buffer.from([5, 0, 3, reference, say.parts, i + 1])
    return Object.assign({ esm_class: 0x40, short_message: Buffer.concat([header, octets.slice(i * size, (i + 1) * size)]) }, base)
  })
  return (say.order || all.map((_, i) => i)).map(i => all[i])
}

function deliver () {
  const session = [...sessions].find(s => s.receives)
  for (const item of session ? waiting : []) {
    if (item.session) continue
    item.session = session
    session.deliver_sm(Object.assign({}, item.pdu), answer => {
      if (item.session !== session) return
      item.session = null
      if (TRY_LATER.has(answer.command_status)) {
        tell({ put_off: item.id, status: answer.command_status })
        return setTimeout(deliver, 200)
      }
      waiting.splice(waiting.indexOf(item), 1)
      tell({ answered: item.id, status: answer.command_status })
      if (!waiting.some(w => w.id === item.id)) tell({ said: item.id, status: answer.command_status })
    })
  }
}

function gone (session) {
  sessions.delete(session)
  for (const item of waiting) if (item.session === session) item.session = null
  deliver()
}

function submitted (session, pdu) {
  const text = pdu.short_message && pdu.short_message.message.length ? pdu.short_message : pdu.message_payload || { message: '' }
  const udh = (text.udh || []).find(h => h[0] === 0 || h[0] === 8)
  if (hang) return
  if (refuse.times > 0) {
    refuse.times--
    return session.send(pdu.response({ command_status: refuse.status }))
  }
  if (pdu.destination_addr === NOBODY) return session.send(pdu.response({ command_status: smpp.ESME_RINVDSTADR }))
  const id = 'id' + process.pid + '-' + messages++
  tell({ submitted: id, from: pdu.source_addr, to: pdu.destination_addr, text: String(text.message), data_coding: pdu.data_coding, registered: pdu.registered_delivery,
    part: udh ? [...udh.slice(2)] : null })
  session.send(pdu.response({ message_id: id }))
}

function connected (session) {
  session.on('error', () => {})
  session.on('close', () => gone(session))
  for (const kind of ['bind_transceiver', 'bind_receiver', 'bind_transmitter']) {
    session.on(kind, pdu => {
      const ok = pdu.system_id === 'chancery' && pdu.password === 'secret'
      session.send(pdu.response({ command_status: ok ? 0 : smpp.ESME_RINVPASWD, system_id: 'SMSC' }))
      tell({ bound: kind, ok })
      if (!ok) return
      session.receives = kind !== 'bind_transmitter'
      sessions.add(session)
      deliver()
    })
  }
  session.on('submit_sm', pdu => submitted(session, pdu))
  session.on('enquire_link', pdu => session.send(pdu.response()))
  session.on('unbind', pdu => { session.send(pdu.response()); session.close() })
}

function told (line) {
  const order = JSON.parse(line)
  if (order.say) for (const pdu of pieces(order.say)) waiting.push({ id: order.say.id, pdu })
  if (order.receipt) {
    waiting.push({ id: order.receipt.id, pdu: { source_addr: '33612345678', destination_addr: '38123', esm_class: 4,
      short_message: Buffer.from('id:' + order.receipt.id + ' sub:001 dlvrd:001 submit date:2611222350 done date:2611222351 stat:' + order.receipt.stat + ' err:000 text:x') } })
  }
  if (order.refuse) refuse = order.refuse
  if ('hang' in order) hang = order.hang
  if (order.drop) for (const session of sessions) session.destroy()
  deliver()
}

const options = certificate ? { key: fs.readFileSync(key), cert: fs.readFileSync(certificate) } : {}
smpp.createServer(options, connected).listen(Number(port), '127.0.0.1', () => tell({ ready: true }))
let rest = ''
process.stdin.on('data', data => {
  const lines = (rest + data).split('\n')
  rest = lines.pop()
  lines.forEach(told)
})
process.stdin.on('end', () => process.exit(0))
