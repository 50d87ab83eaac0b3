import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import type { Page } from 'playwright-core'
import t, { type Test } from 'tap'
import type { RouteRow, SessionRow } from '../../../src/admin/page/protocol.js'
import { MadeUpGateway, madeUpSession, type MadeUp } from '../../helpers/status-page.js'
import { lifelike } from '../../helpers/status-page-data.js'
import { openWatched, until } from '../../helpers/watched-page.js'

// The status page in Chromium, with a made-up gateway: for what a real one cannot easily be brought to. It is the page
// that `npm run build` made.

t.setTimeout(150_000) // axe looks through the page many times.

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

/** What a client or a configuration might say to take over the page or to break its layout. */
const EVIL = '<img src=x onerror=alert(1)><script>alert(2)</script>\u202eevil'

function hostile (): Partial<MadeUp> {
  const data = lifelike()
  const long = `/${'long/'.repeat(400)}`
  data.sessions = [
    madeUpSession(1, { id: EVIL, client: EVIL, user: EVIL, route: EVIL, upstream: EVIL, target: EVIL, subprotocol: EVIL }),
    madeUpSession(2, { user: 'مرحبا بالعالم', route: long, target: `http://${'a'.repeat(2_000)}`, subprotocol: 'x'.repeat(2_000), rateFromTarget: 1e12, bytesFromTarget: 1e15 }),
    madeUpSession(3, { user: '名前'.repeat(200), client: '2001:db8:ffff:ffff:ffff:ffff:ffff:ffff', openedAt: 0 })
  ]
  data.routes = [
    { url: EVIL, methods: [EVIL], constraints: EVIL, upstream: EVIL, websocket: true, requests: 123_456, errors: 12_345, sessions: 10_000, p50: 12_345, p99: 234_567 },
    { url: long, methods: Array.from({ length: 30 }, () => 'VERSION-CONTROL'), constraints: 'x'.repeat(500), upstream: 'u'.repeat(500), websocket: true, requests: 1, errors: 0, sessions: 0, p50: null, p99: null }
  ]
  const [first, second] = data.upstreams!
  Object.assign(first!, { name: EVIL, waiting: 12_345 })
  Object.assign(first!.targets[0]!, { url: EVIL, health: 'down', reason: EVIL })
  Object.assign(second!, { name: 'upstream'.repeat(60) })
  Object.assign(second!.targets[0]!, { url: `http://${'very-long-name.'.repeat(60)}`, health: 'ejected', reason: 'reason '.repeat(100) })
  data.events = [{ at: Date.now(), kind: 'error', level: 'error', text: EVIL, route: EVIL, upstream: EVIL, target: EVIL, count: 1e6 }, ...data.events!]
  return data
}

async function open (t: Test, data: Partial<MadeUp>, options = {}): Promise<{ gateway: MadeUpGateway, page: Page, faults: string[] }> {
  const gateway = await new MadeUpGateway(data).start(t)
  const { page, faults } = await openWatched(t, gateway.url, options)
  await until(page, "document.querySelector('.value').textContent !== ''")
  return { gateway, page, faults }
}

async function violations (page: Page): Promise<string[]> {
  await page.evaluate(AXE)
  return await page.evaluate("axe.run().then(({ violations }) => violations.flatMap(({ id, nodes }) => nodes.map(node => id + ': ' + node.html + ' ' + node.failureSummary)))")
}

/** How many pixels the page is wider than its window, and what sticks out. */
async function overflow (page: Page): Promise<{ pixels: number, elements: string[] }> {
  return await page.evaluate(`(() => {
    const width = document.documentElement.clientWidth
    const out = [...document.querySelectorAll('main *, header *')].filter(element => {
      const { right, width: own } = element.getBoundingClientRect()
      return own > 0 && right > width + 0.5 && element.closest('.visually-hidden, .plot') === null
    })
    return { pixels: document.documentElement.scrollWidth - width, elements: out.slice(0, 5).map(element => element.outerHTML.slice(0, 120)) }
  })()`)
}

for (const colorScheme of ['light', 'dark'] as const) {
  t.test(`${colorScheme}, from 280 to 1920 px: nothing for axe to find, nothing sticks out`, async t => {
    const { gateway, page, faults } = await open(t, lifelike(), { colorScheme })
    for (const data of [lifelike(), hostile()]) {
      Object.assign(gateway.data, data)
      gateway.tick()
      await until(page, `document.querySelector('#sessions-count').textContent.replace(',', '') === '${data.sessions!.length}'`)
      for (const width of [280, 768, 1920]) {
        await page.setViewportSize({ width, height: 900 })
        t.same(await overflow(page), { pixels: 0, elements: [] }, `${width} px`)
        t.same(await violations(page), [], `${width} px`)
      }
    }
    await page.setViewportSize({ width: 280, height: 500 })
    await page.locator('#sessions-list [data-action=close]').first().click()
    t.same(await violations(page), [], 'a dialog')
    t.ok(await page.evaluate('document.querySelector("dialog").scrollWidth <= document.querySelector("dialog").clientWidth'), 'the dialog fits')
    t.same(faults, [])
  })
}

t.test('between these widths nothing sticks out either', async t => {
  const { page } = await open(t, hostile())
  await page.locator('#sessions-list tbody tr').first().waitFor()
  for (let width = 280; width <= 1920; width += 41) {
    await page.setViewportSize({ width, height: 900 })
    t.same(await overflow(page), { pixels: 0, elements: [] }, `${width} px`)
  }
})

for (const state of ['disconnected', 'stopping', 'empty'] as const) {
  t.test(`${state}: nothing for axe to find`, async t => {
    const { gateway, page } = await open(t, state === 'empty' ? {} : { ...lifelike(), state: state === 'stopping' ? state : 'serving' })
    if (state === 'disconnected') {
      await page.route('**/*', route => route.abort())
      gateway.drop()
      await page.locator('#banner').waitFor()
    }
    if (state === 'empty') await page.getByText('There are no routes.').waitFor()
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme })
      t.same(await violations(page), [], colorScheme)
    }
  })
}

t.test('what a client says is shown as text', async t => {
  const { page, faults } = await open(t, hostile())
  const row = page.locator('#sessions-list tbody tr').filter({ hasText: '<img src=x' })
  await row.waitFor()
  t.equal(await page.locator('main img, main script').count(), 0)
  t.ok((await row.innerText()).includes(EVIL))
  for (const list of ['#targets-list', '#routes-list', '#events-list', '#problems-list']) t.ok((await page.locator(list).innerText()).includes(EVIL), list)
  await row.getByRole('button').click()
  t.ok((await page.locator('dialog').innerText()).includes(EVIL))
  t.equal(await page.locator('dialog img').count(), 0)
  t.same(faults, [])
})

t.test('10,000 sessions', async t => {
  const sessions = Array.from({ length: 10_000 }, (_, index) => madeUpSession(index))
  const { page, faults } = await open(t, { sessions }, { viewport: { width: 1_200, height: 900 } })
  const rows = page.locator('#sessions-list tbody tr')
  const pager = page.locator('#sessions-list .pager')
  await pager.getByText('1–25 of 10,000').waitFor()
  t.equal(await rows.count(), 25)
  await pager.getByRole('button', { name: 'Next' }).click()
  await pager.getByText('26–50 of 10,000').waitFor()
  await pager.getByRole('button', { name: 'Last' }).click()
  await pager.getByText('9,976–10,000 of 10,000').waitFor()
  t.equal(await pager.getByRole('button', { name: 'Next' }).getAttribute('aria-disabled'), 'true')
  await pager.getByRole('combobox').selectOption('100')
  await pager.getByText('9,901–10,000 of 10,000').waitFor()
  t.equal(await rows.count(), 100)

  await page.locator('#sessions-client').fill('192.0.2.7')
  await pager.getByText('1–40 of 40').waitFor()
  const matching = sessions.filter(({ client }) => client === '192.0.2.7')
  const sortBy = async (name: string, expected: 'ascending' | 'descending', keyOf: (row: SessionRow) => number, shown: (row: SessionRow) => string): Promise<void> => {
    const header = page.locator('#sessions-list th').filter({ has: page.getByRole('button', { name, exact: true }) })
    await header.getByRole('button').click()
    t.equal(await header.getAttribute('aria-sort'), expected, name)
    t.equal(await page.locator('#sessions-list [aria-sort=ascending], #sessions-list [aria-sort=descending]').count(), 1)
    matching.sort((one, other) => (keyOf(one) - keyOf(other)) * (expected === 'ascending' ? 1 : -1))
    await rows.first().getByText(shown(matching[0]!)).waitFor()
  }
  const messages = (row: SessionRow): number => row.messagesFromClient + row.messagesFromTarget
  await sortBy('Messages', 'descending', messages, ({ messagesFromTarget }) => `${messagesFromTarget.toLocaleString('en')} (`)
  await sortBy('Messages', 'ascending', messages, ({ messagesFromTarget }) => `${messagesFromTarget} (`)
  await sortBy('Rate', 'descending', row => row.rateFromClient + row.rateFromTarget, ({ rateFromClient }) => `${rateFromClient}\u00a0B/s`)
  await sortBy('Age', 'descending', row => -row.openedAt, ({ messagesFromTarget }) => `${messagesFromTarget.toLocaleString('en')} (`)
  t.same(faults, [])
})

t.test('rows are brought up to date in place, and keep the focus while others come and go', async t => {
  const sessions = Array.from({ length: 20 }, (_, index) => madeUpSession(index))
  const { gateway, page, faults } = await open(t, { sessions })
  const row = page.locator('#sessions-list tbody tr').filter({ hasText: '192.0.2.10' })
  await row.getByRole('button').focus()
  await page.evaluate('window.kept = document.activeElement')
  // The newest first: others come before it, one beside it goes, and its own numbers change.
  gateway.data.sessions.splice(11, 1)
  gateway.data.sessions.unshift(madeUpSession(500, { openedAt: Date.now() + 5_000 }), madeUpSession(501, { openedAt: Date.now() + 6_000 }))
  Object.assign(gateway.data.sessions.find(({ id }) => id === 's10')!, { messagesFromClient: 4_242 })
  gateway.tick()
  await row.filter({ hasText: '4,242' }).waitFor()
  t.equal(await page.evaluate('document.activeElement === window.kept'), true)
  t.equal(await page.locator('#sessions-list tbody tr').first().innerText().then(text => text.includes('192.0.2.1')), true)

  gateway.data.sessions.splice(gateway.data.sessions.findIndex(({ id }) => id === 's10'), 1)
  gateway.tick()
  await row.waitFor({ state: 'detached' })
  t.equal(await page.evaluate('document.activeElement.dataset.action'), 'close', 'the same button of the row in its place')
  t.same(faults, [])
})

t.test('1,000 routes', async t => {
  const routes = Array.from({ length: 1_000 }, (_, index): RouteRow => ({ url: `/service-${index}/*`, methods: null, constraints: null, upstream: `u${index % 40}`, websocket: index % 2 === 0, requests: index, errors: index === 777 ? 3 : 0, sessions: index, p50: index, p99: 2 * index }))
  const { page, faults } = await open(t, { routes }, { viewport: { width: 1_200, height: 900 } })
  const rows = page.locator('#routes-list tbody tr')
  await rows.nth(24).waitFor()
  t.equal(await rows.count(), 25)
  t.match(await rows.first().innerText(), '/service-777/*', 'what fails comes first')
  await page.locator('#routes-list').getByRole('button', { name: 'p99' }).click()
  await rows.first().filter({ hasText: '/service-999/*' }).waitFor()
  await page.locator('#routes-list').getByRole('button', { name: 'Last' }).click()
  await rows.last().filter({ hasText: '/service-0/*' }).waitFor()
  await page.locator('#routes-text').fill('SERVICE-12')
  await page.locator('#routes-list').getByText('1–11 of 11').waitFor()
  await page.locator('#routes-kind').selectOption('websocket')
  await until(page, "document.querySelectorAll('#routes-list tbody tr').length === 6")
  await page.locator('#problems').getByText('Route ').click()
  await until(page, "document.querySelector('#routes-text').value === '/service-777/*' && document.querySelectorAll('#routes-list tbody tr').length === 1")
  t.equal(await page.evaluate('document.activeElement.id'), 'routes-title')
  t.same(faults, [])
})

t.test('a pause holds everything, but for what is asked for', async t => {
  const sessions = Array.from({ length: 30 }, (_, index) => madeUpSession(index))
  const { gateway, page, faults } = await open(t, { sessions }, { viewport: { width: 1_200, height: 900 } })
  const requests = page.locator('.tile', { hasText: 'Requests/s' }).locator('.value')
  gateway.tick({ requests: 17 })
  await requests.getByText('17').waitFor()
  await page.getByRole('button', { name: 'Pause' }).click()
  await page.locator('#paused').getByText('paused at').waitFor()
  gateway.tick({ requests: 18 })
  await page.locator('#sessions-list .pager').getByRole('button', { name: 'Next' }).click()
  await page.locator('#sessions-list').getByText('26–30 of 30').waitFor()
  t.equal(await requests.innerText(), '17')
  await page.getByRole('button', { name: 'Pause' }).click()
  await requests.getByText('18').waitFor()
  t.same(faults, [])
})

t.test('a tab that was not seen catches up, and its title says what is wrong meanwhile', async t => {
  const { gateway, page, faults } = await open(t, lifelike())
  await until(page, "document.title === 'Sluice: 3 problems'")
  // No frame is drawn in a tab that is not seen.
  await page.evaluate('window.drawn = window.requestAnimationFrame; window.held = []; window.requestAnimationFrame = draw => window.held.push(draw)')
  gateway.data.upstreams[0]!.targets[0]!.health = 'down'
  for (let second = 0; second < 50; second++) gateway.tick({ requests: 1_000 + second, errors: 1 })
  await until(page, "document.title === 'Sluice: 4 problems'")
  t.equal(await page.evaluate('window.held.length'), 1, 'one frame waits')
  await page.evaluate('window.requestAnimationFrame = window.drawn; for (const draw of window.held) draw()')
  await page.locator('#problems-title').getByText('4 problems').waitFor()
  t.match(await page.locator('.tile', { hasText: 'Requests/s' }).locator('.value').innerText(), '1,049')
  t.same(faults, [])
})

t.test('changes of state are read out, and nothing every second', async t => {
  const { gateway, page } = await open(t, lifelike())
  await page.evaluate(`
    window.said = []
    for (const region of document.querySelectorAll('[role=status], [aria-live]')) new MutationObserver(() => window.said.push(region.textContent)).observe(region, { childList: true, characterData: true, subtree: true })
  `)
  for (let second = 0; second < 5; second++) gateway.tick({ requests: second })
  gateway.event({ at: Date.now(), kind: 'target', level: 'warn', text: 'ready, healthy → ready, down', upstream: 'chat', target: 'http://10.0.6.31:3000', count: 1 })
  await until(page, 'window.said.length > 0')
  t.same(await page.evaluate('window.said'), ['Target http://10.0.6.31:3000 in chat: ready, healthy → ready, down.'])
})

t.test('the first Tab leads past the header', async t => {
  const { page } = await open(t, lifelike())
  await page.keyboard.press('Tab')
  t.equal(await page.evaluate('document.activeElement.textContent'), 'Skip to the content')
  await page.keyboard.press('Enter')
  t.equal(await page.evaluate('document.activeElement.id'), 'main')
})

t.test('behind a path prefix', async t => {
  const gateway = await new MadeUpGateway(lifelike()).start(t)
  const { page, faults } = await openWatched(t, `${gateway.url}admin/sluice/`)
  await page.locator('#sessions-list tbody tr').first().waitFor()
  await page.locator('#sessions-list [data-action=close]').first().click()
  await page.locator('#dialog-confirm').click()
  await page.getByText('1 session closed').waitFor()
  t.match(gateway.changes, [/^DELETE api\/sessions\/019ac3f2-\w+ code=1000&reason=$/])
  t.same(faults, [])
})
