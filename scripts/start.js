// What `npm start` runs: the command `sluice`, which also stops when the shell that npm has put before it is gone.
//
// npm passes SIGTERM on to that shell only. A shell that has not replaced itself by the command, as dash does
// not, ends without a word to it; and `exec`, which would make it, is unknown to the shell of Windows.

const shell = process.ppid
await import('../dist/src/service/cli.js')

const watch = setInterval(() => {
  if (process.ppid === shell) return
  clearInterval(watch)
  process.kill(process.pid, 'SIGTERM')
}, 100).unref()

// A signal from the terminal goes to both. A second one would cut the stop short.
for (const signal of ['SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGTERM']) process.once(signal, () => clearInterval(watch))
