import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CSIDriver } from '../../kinds/storage/csidriver.ts'
import { objectOf, podOf } from '../../kinds/testing.ts'
import { containerFileLabel, contextOption } from './selinux.ts'

const base = 'system_u:object_r:container_file_t:s0'
const level = 's0:c10,c20'
const pod = (securityContext: object, ...levels: (string | undefined)[]) =>
  podOf({
    metadata: { name: 'p' },
    spec: {
      securityContext,
      containers: (levels.length ? levels : [undefined]).map((own, i) => ({
        name: `c${i}`,
        image: 'x',
        ...(own && { securityContext: { seLinuxOptions: { level: own } } }),
      })),
    },
  })
const labelled = { seLinuxOptions: { level } }
const driver = (seLinuxMount = true) => objectOf(CSIDriver, { metadata: { name: 'd.io' }, spec: { seLinuxMount } })
const single = { accessModes: ['ReadWriteOncePod'], isBlock: false }
const option = `context="system_u:object_r:container_file_t:${level}"`

test('a volume of one pod is mounted with the label of the pod', () => {
  const table: [what: string, found: string | undefined, expected: string | undefined][] = [
    ['the label of the pod', contextOption(pod(labelled), single, driver(), base), option],
    ['that of all its containers', contextOption(pod({}, level, level), single, driver(), base), option],
    ['different ones', contextOption(pod(labelled, level, 's0:c1'), single, driver(), base), undefined],
    ['no label', contextOption(pod({}), single, driver(), base), undefined],
    [
      'files are relabelled',
      contextOption(pod({ ...labelled, seLinuxChangePolicy: 'Recursive' }), single, driver(), base),
      undefined,
    ],
    ['a driver without it', contextOption(pod(labelled), single, driver(false), base), undefined],
    ['no CSIDriver', contextOption(pod(labelled), single, undefined, base), undefined],
    ['a machine without SELinux', contextOption(pod(labelled), single, driver(), undefined), undefined],
    [
      'a volume of several pods',
      contextOption(pod(labelled), { ...single, accessModes: ['ReadWriteOnce'] }, driver(), base),
      undefined,
    ],
    ['a device', contextOption(pod(labelled), { ...single, isBlock: true }, driver(), base), undefined],
  ]
  for (const [what, found, expected] of table) assert.equal(found, expected, what)
})

test('the label of containers comes from the policy of the machine', async () => {
  const files: Record<string, string> = {
    '/sys/fs/selinux/enforce': '1',
    '/etc/selinux/config': '# x\nSELINUX=enforcing\nSELINUXTYPE=targeted\n',
    '/etc/selinux/targeted/contexts/lxc_contexts': `process = "system_u:system_r:container_t:s0"\nfile = "${base}"\n`,
  }
  const read = (without?: string) => async (path: string) => {
    const text = path === without ? undefined : files[path]
    if (text === undefined) throw new Error('ENOENT')
    return text
  }
  assert.equal(await containerFileLabel(read()), base)
  for (const path of Object.keys(files)) assert.equal(await containerFileLabel(read(path)), undefined, path)
})
