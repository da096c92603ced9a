// The file of the audit's policy is followed while the server runs: a new one takes effect, and one with mistakes does not.
import { deepStrictEqual, match, ok, rejects } from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { settle, VirtualClock } from '../base/clock.ts'
import { type Log, silentLog } from '../base/log.ts'
import { metricsText } from '../base/metrics.ts'
import { openAuditor } from './audit.ts'

const clock = new VirtualClock()
const policy = (level: string) => JSON.stringify({ apiVersion: 'audit.k8s.io/v1', kind: 'Policy', rules: [{ level }] })

/** A policy in a file, and the messages of the log about it. */
function policyFile(t: TestContext) {
  const directory = mkdtempSync(join(tmpdir(), 'audit-policy-'))
  const ending = new AbortController()
  t.after(() => {
    ending.abort()
    rmSync(directory, { recursive: true })
  })
  const file = join(directory, 'policy.json')
  const messages: string[] = []
  const log: Log = { ...silentLog, error: (_message, fields) => void messages.push(String(fields?.why)) }
  const open = () =>
    openAuditor(
      { audit: { policy: file, log: '' }, nodeName: 'n' },
      { auditLog: '' },
      { clock, log, signal: ending.signal },
    )
  return { file, messages, open }
}

/** Moves the clock until something is so, since files are read in real time. */
async function until(what: string, isSo: () => boolean): Promise<void> {
  for (let turn = 0; turn < 1000; turn++) {
    if (isSo()) return
    await clock.forward(1000)
    await settle(20)
  }
  ok(false, `${what} did not happen`)
}

const request = {
  auditId: '1',
  uri: () => '/',
  attributes: {
    user: { name: 'u', groups: [] },
    verb: 'get',
    path: '/',
    group: '',
    resource: '',
    subresource: '',
    namespace: '',
    name: '',
  },
  apiVersion: '',
  sourceIPs: [],
  userAgent: '',
}

const reloads = (status: string): number =>
  Number(
    new RegExp(`^kutter_audit_policy_automatic_reloads_total\\{.*status="${status}"\\} (\\d+)$`, 'm').exec(
      metricsText(),
    )?.[1] ?? 0,
  )
const hash = () => /^kutter_audit_policy_last_config_info\{.*hash="(.*)"\} 1$/m.exec(metricsText())?.[1]

test('a changed policy takes effect, and one with mistakes leaves the one before in force', async t => {
  const { file, messages, open } = policyFile(t)
  writeFileSync(file, policy('None'))
  const auditor = await open()
  const first = hash()
  const audits = () => auditor.begin(request) !== undefined
  deepStrictEqual([audits(), reloads('success'), reloads('failure')], [false, 0, 0])

  writeFileSync(file, policy('Metadata'))
  await until('the new policy', audits)
  await until('the count', () => reloads('success') === 1)
  const second = hash()
  ok(first && second && first !== second)

  for (const [wrong, why] of [
    [policy('Everything'), /rules\[0\]\.level/],
    ['{', /policy\.json/],
    ['', /must be/],
  ] as const) {
    const before = messages.length
    writeFileSync(file, wrong)
    await until('the mistake', () => messages.length > before)
    match(messages.at(-1)!, why)
    deepStrictEqual([audits(), hash()], [true, second])
  }
  deepStrictEqual([reloads('success'), reloads('failure')], [1, 3])

  // A file that is away for a moment is no new policy, and is read when it is there again.
  rmSync(file)
  await until('the file is missed', () => messages.some(text => /ENOENT/.test(text)))
  ok(audits())
  writeFileSync(file, policy('None'))
  await until('the policy that is there again', () => !audits())
})

test('at the start, a policy with mistakes is an error', async t => {
  const { file, open } = policyFile(t)
  writeFileSync(file, policy('Everything'))
  await rejects(open(), /rules\[0\]\.level/)
})
