import { Agent } from 'node:https'
import t from 'tap'
import { registrationError, type AnyOptions } from '../helpers/http-proxy.js'

const upstream = 'http://127.0.0.1:9'

/** What cannot be honoured is refused when it is registered, by an error of the table that says the fix. */
const REFUSED: Array<[AnyOptions, RegExp]> = [
  [{ upstream: undefined }, /it is not said where to send WebSockets\. Give 'upstream', 'wsUpstream'/],
  [{ wsUpstream: 7 }, /option 'wsUpstream' must be the URL of a target/],
  [{ httpMethods: ['POST'] }, /a WebSocket handshake is a GET\. Add GET to 'httpMethods'/],
  [{ config: { passthrough: { upstream } } }, /Remove it, and write options of the gateway's into 'passthrough'/],
  [{ wsHooks: { onMessage: () => {} } }, /option 'wsHooks.onMessage': unknown hook; known are onConnect/],
  [{ wsHooks: { onConnect: 'yes' } }, /option 'wsHooks.onConnect' must be a function/],
  [{ wsHooks: 7 }, /option 'wsHooks' must be an object of functions/],
  [{ wsHooks: { onPong: true } }, /option 'wsHooks.onPong' must be a function/],
  [{ wsReconnect: 7 }, /option 'wsReconnect' must be an object/],
  [{ wsReconnect: { retries: 7 } }, /option 'wsReconnect.retries': unknown option; known are pingInterval/],
  [{ wsReconnect: { reconnectInterval: 99 } }, /option 'wsReconnect.reconnectInterval' must be a number of at least 100/],
  [{ wsReconnect: { reconnectDecay: '2' } }, /option 'wsReconnect.reconnectDecay' must be a number of at least 1/],
  [{ wsReconnect: { reconnectOnClose: 'yes' } }, /option 'wsReconnect.reconnectOnClose' must be true or false/],
  [{ wsClientOptions: 7 }, /option 'wsClientOptions' must be an object/],
  [{ wsClientOptions: { agent: new Agent({ rejectUnauthorized: false }) } }, /option 'wsClientOptions.agent': the gateway makes the connection itself\. Write the TLS options of an agent/],
  [{ wsClientOptions: { rejectunauthorized: false } }, /option 'wsClientOptions.rejectunauthorized': it is not known/],
  [{ wsClientOptions: { followRedirects: true } }, /a redirect of the target is relayed to the client/],
  [{ wsClientOptions: { protocolVersion: 8 } }, /the version is 13/],
  [{ wsClientOptions: { skipUTF8Validation: false } }, /its receiver validates it/],
  [{ wsClientOptions: { perMessageDeflate: { threshold: 1024 } } }, /option 'wsClientOptions.perMessageDeflate': it must be true or false/],
  [{ wsClientOptions: { socketPath: '/run/app.sock' } }, /Write wsUpstream: 'unix:\/path'/],
  [{ wsClientOptions: { headers: 'x' } }, /option 'wsClientOptions.headers' must be an object/],
  [{ wsClientOptions: { headers: { connection: 'close' } } }, /'connection' belongs to the connection or to the handshake, and is the gateway's/],
  [{ wsClientOptions: { headers: { 'x-bad': 'a\nb' } } }, /characters that no header may have/],
  [{ wsClientOptions: { rewriteRequestHeaders: {} } }, /option 'wsClientOptions.rewriteRequestHeaders' must be a function/],
  [{ wsClientOptions: { queryString: 'a=b' } }, /option 'wsClientOptions.queryString' must be a function, or an object/],
  [{ wsClientOptions: { handshakeTimeout: 0 } }, /handshakeTimeout/],
  [{ wsClientOptions: { maxPayload: 1.5 } }, /option 'wsClientOptions.maxPayload' must be a whole number of bytes/],
  [{ wsClientOptions: { pfx: 'x' } }, /PEM text without a passphrase/],
  [{ wsClientOptions: { ca: '/etc/ca.pem' } }, /option 'wsClientOptions.ca' must be PEM text/],
  [{ wsClientOptions: { ca: '-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----' } }, /wsClientOptions.*tls\.ca/],
  [{ wsClientOptions: { key: [{ pem: '-----BEGIN PRIVATE KEY-----', passphrase: 'x' }] } }, /without a passphrase/],
  [{ wsClientOptions: { rejectUnauthorized: 'no' } }, /rejectUnauthorized/],
  [{ wsServerOptions: { handleProtocols: () => 'x' } }, /the target chooses among all subprotocols/],
  [{ wsServerOptions: { port: 8080 } }, /WebSockets come in on the server of the app/],
  [{ wsServerOptions: { verifyClient: true } }, /option 'wsServerOptions.verifyClient' must be a function/],
  [{ wsServerOptions: { path: 7 } }, /option 'wsServerOptions.path' must be a text/],
  [{ wsServerOptions: { skipUTF8Validation: false } }, /its receiver validates it/],
  [{ passthrough: 7 }, /option 'passthrough': it must be an object/],
  [{ passthrough: { idletimeout: 7 } }, /option 'passthrough': option 'idletimeout': there is no such option; did you mean 'idleTimeout'/],
  [{ passthrough: { upstream } }, /option 'upstream': write wsUpstream/],
  [{ passthrough: { compression: 'off' } }, /option 'compression': write perMessageDeflate: false/],
  [{ passthrough: { host: 'other' } }, /option 'host': must be one of preserve, target/],
  [{ websocket: false, passthrough: {} }, /option 'passthrough' is for WebSockets\. Set 'websocket: true'/]
]

for (const [options, message] of REFUSED) {
  t.test(JSON.stringify(options, (_key, value: unknown) => typeof value === 'function' || value instanceof Agent ? '…' : value), async t => {
    const error = await registrationError({ upstream, websocket: true, ...options })
    t.match(error, { code: 'SLUICE_OPTIONS_INVALID', message })
  })
}

t.test('what is no URL of a target', async t => {
  for (const wsUpstream of ['ftp://127.0.0.1', 'localhost:8080', 'ws://', 'unix+https://%2Frun%2Fapp.sock', 'ws://127.0.0.1:99999']) {
    t.match(await registrationError({ upstream, websocket: true, wsUpstream }), { code: 'SLUICE_TARGET_MALFORMED' }, wsUpstream)
  }
})

t.test('what changes nothing is taken', async t => {
  const idle = { autoPong: false, allowSynchronousEvents: true, maxFragments: 10, maxBufferedChunks: 10, maxPendingAutoPongs: 1, skipUTF8Validation: true }
  t.equal(await registrationError({
    upstream,
    websocket: true,
    wsHooks: { onConnect: undefined },
    wsReconnect: { maxReconnectionRetries: Infinity, logs: true },
    wsClientOptions: { ...idle, protocolVersion: 13, followRedirects: false, maxRedirects: 3, agent: undefined },
    wsServerOptions: { ...idle, noServer: true, clientTracking: false }
  }), undefined)
  t.equal(await registrationError({ upstream, wsUpstream: 7, wsHooks: 7, wsClientOptions: 7 }), undefined, 'without websocket, none of them counts')
  t.match(await registrationError({}), { message: 'upstream must be specified' }, 'and what the original refuses, it refuses')
})
