import assert from 'node:assert/strict'
import { test } from 'node:test'
import { UsageError } from './args.ts'
import { etcdTls, parseStore, sameStore } from './store-location.ts'

test('--store names the embedded store, or the members of an etcd and a prefix', () => {
  for (const text of [undefined, '', 'embedded']) assert.equal(parseStore(text, 'web'), undefined)
  assert.deepEqual(parseStore('etcd://10.0.0.1', 'web'), { endpoints: ['10.0.0.1:2379'], prefix: '/kutter/web' })
  assert.deepEqual(parseStore('etcd://a.example:1,[fd00::1]:2,[::1]/one/two/', 'web'), {
    endpoints: ['a.example:1', '[fd00::1]:2', '[::1]:2379'],
    prefix: '/one/two',
  })
})

test('anything else is refused with what is wrong', () => {
  for (const text of [
    'sqlite',
    'etcd://',
    'etcd:///x',
    'http://a:1',
    'etcd://a:0',
    'etcd://a:70000',
    'etcd://a,,b',
    'etcd://a b',
    'etcd://::1',
    'etcd://a/x y',
    'etcd://a//x',
  ])
    assert.throws(() => parseStore(text, 'web'), UsageError, text)
})

test('a store is the same when its prefix is, whatever members are named', () => {
  assert.ok(sameStore('etcd://a', 'etcd://b,c/kutter/web', 'web'))
  assert.ok(sameStore(undefined, 'embedded', 'web'))
  assert.ok(!sameStore('etcd://a', undefined, 'web'))
  assert.ok(!sameStore('etcd://a', 'etcd://a/other', 'web'))
})

test('the files of TLS are read, and a missing one is named by its option', () => {
  assert.equal(etcdTls({}), undefined)
  assert.throws(() => etcdTls({ etcdCa: '/none/ca.crt' }), /--etcd-cafile: .*\/none\/ca\.crt/)
  assert.throws(() => etcdTls({ etcdCert: '/none/a.crt' }), /--etcd-certfile and --etcd-keyfile/)
})
