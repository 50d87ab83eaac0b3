/** The demo's page: one file without anything from elsewhere. */
export const PAGE = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Sluice demo</title>
<link rel="icon" href="data:,">
<style>
  :root { color-scheme: light dark; --line: light-dark(#d8dee4, #30363d); --soft: light-dark(#57606a, #8b949e); --good: light-dark(#1a7f37, #3fb950); --bad: light-dark(#cf222e, #f85149) }
  body { max-width: 46rem; margin: 3rem auto; padding: 0 1.25rem; font: 1rem/1.6 system-ui, sans-serif }
  h1 { margin: 0; font-size: 1.6rem }
  h2 { margin: 2rem 0 .5rem; font-size: 1.05rem }
  p { margin: .5rem 0 }
  .soft { color: var(--soft) }
  .good { color: var(--good) }
  .bad { color: var(--bad) }
  code, td, output { font-family: ui-monospace, monospace; font-size: .875rem }
  dl { display: grid; grid-template-columns: max-content 1fr; gap: .35rem 1.25rem; margin: 1.5rem 0; padding: 1rem 1.25rem; border: 1px solid var(--line); border-radius: .6rem }
  dt { color: var(--soft) }
  dd { margin: 0; overflow-wrap: anywhere }
  form { display: flex; gap: .5rem }
  input { flex: 1; min-width: 0 }
  input, button { padding: .45rem .75rem; border: 1px solid var(--line); border-radius: .4rem; font: inherit }
  table { width: 100%; border-collapse: collapse }
  td { padding: .3rem .75rem .3rem 0; border-top: 1px solid var(--line); vertical-align: top; overflow-wrap: anywhere }
  td:first-child { white-space: nowrap; color: var(--soft) }
</style>
<h1>Sluice</h1>
<p class="soft">This page and its WebSocket come from a small upstream inside the gateway.</p>
<dl>
  <dt>WebSocket</dt><dd id="state">connecting</dd>
  <dt>Way</dt><dd id="way">unknown yet</dd>
  <dt>Round trip</dt><dd id="trip">none yet</dd>
</dl>
<h2>Echo</h2>
<form id="form"><input id="text" value="Hello through the gateway" aria-label="Message"><button>Send</button></form>
<p><output id="echo"></output></p>
<h2>What the upstream saw of the handshake</h2>
<table><tbody id="headers"></tbody></table>
<h2>Next</h2>
<p>Name a real upstream: <code>sluice http://127.0.0.1:5173</code>, <code>sluice --config sluice.yaml</code>, or <code>UPSTREAM_URL</code> in the environment.</p>
<script type="module">
  const show = (id, text, mood = '') => {
    const element = document.getElementById(id)
    element.textContent = text
    element.className = mood
  }
  const scheme = location.protocol === 'https:' ? 'wss:' : 'ws:'
  const socket = new WebSocket(scheme + '//' + location.host + '/hello')
  let sentAt

  function send (text) {
    sentAt = performance.now()
    socket.send(text)
  }

  function greet ({ upstream, headers }) {
    if (upstream === location.host) show('way', 'straight to the upstream at ' + upstream + ', not through the gateway', 'bad')
    else show('way', 'through the gateway at ' + location.host + ' to the upstream at ' + upstream, 'good')
    for (const [name, value] of Object.entries(headers)) {
      const row = document.getElementById('headers').insertRow()
      row.insertCell().textContent = name
      row.insertCell().textContent = value
    }
    send(document.getElementById('text').value)
  }

  socket.onopen = () => show('state', 'open', 'good')
  socket.onclose = ({ code }) => show('state', 'closed with code ' + code, 'bad')
  socket.onmessage = ({ data }) => {
    if (sentAt === undefined) return greet(JSON.parse(data))
    show('trip', (performance.now() - sentAt).toFixed(1) + ' ms', 'good')
    show('echo', data)
  }
  document.getElementById('form').onsubmit = event => {
    event.preventDefault()
    if (socket.readyState === WebSocket.OPEN) send(document.getElementById('text').value)
  }
</script>
</html>
`
