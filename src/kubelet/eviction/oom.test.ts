// Which kills of the kernel are news of the node.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { machineKills } from './oom.ts'

const kill = (how: string, rest: string) =>
  `6,1093,52148000,-;oom-kill:constraint=${how},nodemask=(null),cpuset=/,mems_allowed=0,${rest}\n SUBSYSTEM=x\n`

test('kills for the sake of the machine are reported, and those at the limit of a group are not', () => {
  const kills = machineKills([
    '6,1,2,-;usb 1-1: new device',
    kill('CONSTRAINT_NONE', 'global_oom,task_memcg=/user.slice,task=java, and more,pid=321,uid=0'),
    kill('CONSTRAINT_MEMCG', 'oom_memcg=/kutter/pod1,task_memcg=/kutter/pod1/c,task=head,pid=322,uid=0'),
    'nonsense',
  ])
  assert.deepEqual(kills, [{ atUs: 52_148_000, process: 'java, and more', pid: 321 }])
})
