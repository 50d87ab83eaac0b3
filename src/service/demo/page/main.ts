import { byId, setText } from '../../../admin/page/dom.js'
import { FEED_PATH, LOSE, REFUSAL_PATH, type FeedCommand, type FeedMessage } from '../protocol.js'
import { Connection } from './connection.js'
import { Exchanges } from './exchanges.js'
import { GatewayState } from './gateway-state.js'
import { Log } from './log.js'
import { RequestSection } from './request-section.js'
import { endText, SocketSection, wireText } from './socket-section.js'
import { Trick } from './tricks.js'

/* The demo's page: what each button does, and what the gateway says of it. */

const state = new GatewayState()
const log = new Log()
const exchanges = new Exchanges()
const request = new RequestSection(exchanges)
const socket = new SocketSection(exchanges)
/** Messages that are surely too many at once. */
let flood = 0
/** What is to end the session. */
let ending: Trick | undefined

const refused = new Trick({
  id: 'refuse',
  title: 'Refusal passed on',
  label: 'Open a WebSocket that is refused',
  isTall: true,
  text: 'The target answers a handshake with 401. The response reaches the client as it is, but a browser shows none of it to a page; the gateway has told this one what it was.',
  act: () => { refuse().catch(() => refused.fail('The gateway cannot be reached')) }
})

const enders = [
  new Trick({
    id: 'lose',
    title: 'Lost target',
    label: "Destroy the target's connection",
    text: 'The target destroys its connection, as when its process dies. There was no Close, so the gateway makes none up: the browser sees what it would see without a gateway.',
    act: () => end(enders[0]!, () => socket.send(LOSE))
  }),
  new Trick({
    id: 'policy',
    title: 'Policy close',
    label: 'Send too many messages',
    text: 'This page sends more messages at once than its route allows. The gateway ends the session with 1008, at the end of a frame. A message of more than 64 KiB ends it with 1009.',
    act: () => end(enders[1]!, () => { for (let index = 1; index <= flood; index++) socket.send(`message ${index} of ${flood}`) })
  }),
  new Trick({
    id: 'drain',
    title: 'Drain',
    label: "Drain the demo's sessions",
    text: "The gateway ends the demo's sessions as it does when it stops: Close 1012 between two messages, after which clients come back. Here code of the demo asks for it, so the reason in the line is application; at a stop it is drain.",
    act: () => end(enders[2]!, () => {
      const command: FeedCommand = { type: 'drain' }
      feed.send(JSON.stringify(command))
    })
  })
]

const feed = new Connection(FEED_PATH, [], {
  onConnecting: () => {},
  onOpen: () => {
    state.connected()
    socket.connection.connect()
  },
  onMessage: text => onFeed(JSON.parse(text) as FeedMessage),
  onEnd: () => state.lost()
})

function onFeed (message: FeedMessage): void {
  if (message.type === 'hello') {
    setText(byId('version', HTMLElement), `version ${message.version}`)
    flood = 3 * message.rate
  }
  for (const event of message.events) {
    if (event.type === 'end') log.add(event)
    exchanges.add(event)
  }
}

function end (trick: Trick, act: () => void): void {
  ending = trick
  setReady(false)
  trick.begin()
  act()
}

/** Without a session, there is nothing to end. */
function setReady (isReady: boolean): void {
  for (const trick of enders) trick.isReady = isReady
}

socket.onSession = () => setReady(true)
socket.onSessionEnd = (ended, id) => {
  setReady(false)
  const trick = ending
  ending = undefined
  if (trick === undefined) return
  trick.showSeen(endText(ended))
  exchanges.onEnd(id, ended => trick.showEnd(wireText(ended), ended.line))
}

async function refuse (): Promise<void> {
  refused.begin()
  // By its URL, the handshake is found in what the gateway says.
  const url = `${REFUSAL_PATH}?try=${Math.random().toString(36).slice(2, 10)}`
  const ended = exchanges.nextEnd(url)
  const attempt = new WebSocket(new URL(url, location.href.replace('http', 'ws')))
  attempt.addEventListener('close', ({ code }) => refused.showSeen(`An error, and close code ${code}: neither the status nor the body`))
  // The target refuses a request to the same path in the same way, and of that a page sees everything.
  const asRequest = await fetch(REFUSAL_PATH)
  const body = await asRequest.text()
  const { status, headers, line } = await ended
  const head = [`HTTP/1.1 ${status} ${asRequest.statusText}`, ...headers.map(([name, value]) => `${name}: ${value}`)]
  refused.showEnd(`${head.join('\n')}\n\n${body}`, line)
}

byId('banner-retry', HTMLButtonElement).addEventListener('click', () => {
  feed.connect()
  socket.connection.connect()
})

setReady(false)
feed.connect()
socket.connection.connect()
request.send().catch(() => {})
