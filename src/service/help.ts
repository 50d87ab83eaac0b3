/** What `sluice --help` prints. */
export const HELP = `Sluice, an API gateway that keeps WebSockets whole

Usage:
  sluice [URL] [options]
  sluice --config sluice.yaml [options]
  sluice init [FILE]
  sluice check [FILE] [options]
  sluice routes [FILE] [options]
  sluice reload [--pid PID | --pid-file FILE]
  sluice restart [--keep-sessions] [--pid PID | --pid-file FILE]

  URL                  send everything, WebSockets included, to this target,
                       such as http://127.0.0.1:5173
  Without URL, configuration or folders, sluice.yaml in the working directory is
  used; where there is none, a demo is served, on loopback only.

  init                 writes a commented configuration to begin with: FILE, or
                       sluice.yaml
  check                says everything that is wrong with a configuration, and
                       starts nothing
  routes               lists the routes with their upstreams and targets
  reload               has the service that runs put its configuration in force
                       again, and says what is wrong with it; without --pid and
                       --pid-file, the one that this user runs
  restart              has it replace its workers by new processes, one after
                       another, so that nobody is refused; with --keep-sessions
                       open WebSockets stay in the old ones until they end

Options:
  -c, --config FILE    configuration file (YAML)
      --host HOST      address to listen on (default 127.0.0.1)
  -p, --port PORT      port to listen on, 0 takes a free one (default 8080)
      --log-level LEVEL
                       fatal, error, warn, info, debug, trace or silent
                       (default info)
      --plugins DIR    folder of Fastify plugins to load, with app.upstream()
      --routes DIR     folder of Fastify routes to load, with app.proxy();
                       a subfolder's name is the prefix of its routes
      --admin          open the admin listener, at 127.0.0.1:9901: health,
                       metrics, an API, and a status page for the browser
      --workers N      serve with so many processes, or auto: one for each
                       processor (default: a single process)
  -w, --watch          put the configuration file in force whenever it changes
      --pid-file FILE  write the process id into FILE
  -h, --help           print this and exit
  -v, --version        print the version and exit

Environment (a .env file in the working directory is read, too):
  HOST, PORT, UPSTREAM_URL, CONFIG_FILE, LOG_LEVEL, WORKERS, ADMIN, ADMIN_TOKEN

The command line wins over the environment, that over .env, that over the file.

Signals: SIGTERM and SIGINT stop it, a second one at once; SIGHUP reloads the
configuration; SIGUSR2 opens the file of the log (logFile) anew.

Exit codes: 0 stopped by SIGTERM or SIGINT, or done; 1 wrong configuration or
failure; 2 wrong usage.
`
