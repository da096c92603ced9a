import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { connect, createServer, type TLSSocket } from 'node:tls'
import { StatusError } from '../base/errors.ts'
import * as x509 from './x509.ts'

const day = 86_400_000
const now = Date.now()
const authority = await x509.makeAuthority({ commonName: 'kubernetes', now, validMs: 10 * day })
const server = {
  commonName: 'kube-apiserver',
  dnsNames: ['localhost', 'kubernetes.default.svc'],
  ips: ['127.0.0.1', '10.96.0.1', '::1'],
}

const openssl = (...args: string[]) => spawnSync('openssl', args, { encoding: 'utf8' })
const hasOpenssl = openssl('version').status === 0

test('an issued certificate has the requested content', async () => {
  const pair = await x509.issue(authority, server, { usages: ['digital signature', 'server auth'], now, validMs: day })
  const info = x509.readCertificate(pair.certPem)
  assert.equal(info.commonName, 'kube-apiserver')
  assert.deepEqual(info.dnsNames, server.dnsNames)
  assert.deepEqual(info.ips, server.ips)
  assert.equal(info.isAuthority, false)
  assert.equal(Math.floor(now / 1000) * 1000 + day, info.notAfter)
  assert.ok(info.notBefore < now && x509.renewAt(pair.certPem) > now + 0.7 * day)
  assert.ok(x509.isPair(pair, authority.certPem))
  assert.equal(x509.isPair({ ...pair, keyPem: authority.keyPem }), false)
  const other = await x509.makeAuthority({ commonName: 'kubernetes', now, validMs: day })
  assert.equal(x509.isPair(pair, other.certPem), false)
  assert.equal(x509.readCertificate(authority.certPem).isAuthority, true)
  assert.match(await x509.publicKeyHash(authority.certPem), /^sha256:[0-9a-f]{64}$/)
  assert.equal(x509.splitBundle(`# two\n${authority.certPem}${other.certPem}`).length, 2)
})

test('no certificate outlives its authority', async () => {
  const pair = await x509.issue(authority, server, { usages: ['server auth'], now, validMs: 99 * day })
  assert.equal(x509.readCertificate(pair.certPem).notAfter, x509.readCertificate(authority.certPem).notAfter)
})

test('a certificate request is read, verified and signed', async () => {
  const subject = {
    commonName: 'system:node:n1',
    organizations: ['system:nodes', 'more'],
    dnsNames: ['n1'],
    ips: ['10.0.0.1'],
  }
  const { requestPem, keyPem } = await x509.makeRequest(subject)
  const { emails, uris, ...asked } = await x509.readRequest(requestPem)
  assert.deepEqual([asked, emails, uris], [subject, [], []])
  const usages = ['digital signature', 'client auth'] as const
  const certPem = await x509.signRequest(authority, requestPem, { usages, now, validMs: day })
  assert.ok(x509.isPair({ certPem, keyPem }, authority.certPem))
  assert.deepEqual(x509.readCertificate(certPem).organizations, subject.organizations)
  const forged = Buffer.from(requestPem.replace(/-----.*-----|\n/g, ''), 'base64')
  forged[forged.length - 3]! ^= 1
  const forgedPem = `-----BEGIN CERTIFICATE REQUEST-----\n${forged.toString('base64')}\n-----END CERTIFICATE REQUEST-----\n`
  const bad = (error: unknown) => error instanceof StatusError && error.reason === 'BadRequest'
  await assert.rejects(x509.readRequest(forgedPem), bad)
  await assert.rejects(x509.readRequest('nonsense'), bad)
})

test('TLS works with certificates on both sides', async () => {
  const serving = await x509.issue(authority, server, {
    usages: ['digital signature', 'server auth'],
    now,
    validMs: day,
  })
  const user = { commonName: 'admin', organizations: ['system:masters'] }
  // Like in kubectl's examples, no use of the key itself is requested.
  const client = await x509.issue(authority, user, { usages: ['client auth'], now, validMs: day })
  const ca = authority.certPem
  const listener = createServer({ cert: serving.certPem, key: serving.keyPem, ca, requestCert: true })
  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const accepted = once(listener, 'secureConnection') as Promise<[TLSSocket]>
  const { port } = listener.address() as AddressInfo
  const socket = connect({
    host: '127.0.0.1',
    port,
    ca,
    cert: client.certPem,
    key: client.keyPem,
    servername: 'localhost',
  })
  const [peer] = await accepted
  assert.equal(peer.authorized, true)
  assert.deepEqual(
    [peer.getPeerCertificate().subject.CN, peer.getPeerCertificate().subject.O],
    ['admin', 'system:masters'],
  )
  socket.destroy()
  peer.destroy()
  listener.close()
})

test('openssl accepts the certificates', { skip: !hasOpenssl }, async () => {
  const scratch = mkdtempSync(join(tmpdir(), 'kutter-x509-'))
  const file = (name: string, text: string) => (writeFileSync(join(scratch, name), text), join(scratch, name))
  try {
    const ca = file('ca.pem', authority.certPem)
    const usages = ['digital signature', 'key encipherment', 'server auth', 'client auth'] as const
    const pair = await x509.issue(authority, { ...server, organizations: ['o'] }, { usages, now, validMs: day })
    const cert = file('cert.pem', pair.certPem)
    for (const purpose of ['sslserver', 'sslclient']) {
      const verified = openssl('verify', '-x509_strict', '-purpose', purpose, '-CAfile', ca, cert)
      assert.equal(verified.status, 0, verified.stderr)
    }
    const shown = openssl('x509', '-in', cert, '-noout', '-text').stdout
    assert.match(shown, /Subject: O = o, CN = kube-apiserver/)
    assert.match(shown, /DNS:localhost, DNS:kubernetes\.default\.svc, IP Address:127\.0\.0\.1, IP Address:10\.96\.0\.1/)
    assert.match(shown, /Digital Signature, Key Encipherment/)
    const { requestPem } = await x509.makeRequest(server)
    const request = openssl('req', '-in', file('req.pem', requestPem), '-noout', '-verify', '-text')
    assert.match(request.stdout + request.stderr, /verify OK/)
    // In the other direction: a request and an RSA authority from openssl.
    const key = join(scratch, 'key.pem')
    const made = openssl(
      'req',
      '-new',
      '-newkey',
      'rsa:2048',
      '-nodes',
      '-keyout',
      key,
      '-subj',
      '/O=a/O=b/CN=u',
      '-addext',
      'subjectAltName=DNS:x.y',
    )
    const read = await x509.readRequest(made.stdout)
    assert.deepEqual([read.commonName, read.organizations, read.dnsNames], ['u', ['a', 'b'], ['x.y']])
    const rsaKey = join(scratch, 'rsa-key.pem')
    const rsa = openssl('req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', rsaKey, '-subj', '/CN=old')
    const keyPem = openssl('pkey', '-in', rsaKey).stdout
    const signed = await x509.signRequest({ certPem: rsa.stdout, keyPem }, made.stdout, { usages, now, validMs: day })
    const checked = openssl('verify', '-CAfile', file('old.pem', rsa.stdout), file('signed.pem', signed))
    assert.equal(checked.status, 0, checked.stderr)
  } finally {
    rmSync(scratch, { recursive: true })
  }
})

test('names that look like several are one, and addresses have their shortest form', async () => {
  const subject = {
    commonName: 'a, b+c="system:masters"\\e',
    organizations: ['one', 'two, three', '#04024869', ' + O=x', 'line\nO=y', ' end ', 'ü€'],
    dnsNames: ['x.example', 'a, DNS:b.example', 'q"q'],
    ips: ['2001:db8::5', '::1', '192.0.2.1'],
  }
  const { certPem } = await x509.issue(authority, subject, { usages: ['server auth'], now, validMs: day })
  const { commonName, organizations, dnsNames, ips } = x509.readCertificate(certPem)
  assert.deepEqual({ commonName, organizations, dnsNames, ips }, subject)
  const { requestPem } = await x509.makeRequest(subject)
  const { commonName: asked, organizations: askedGroups } = await x509.readRequest(requestPem)
  assert.deepEqual([asked, askedGroups], [subject.commonName, subject.organizations])
  const signed = await x509.signRequest(authority, requestPem, { usages: ['client auth'], now, validMs: day })
  const { commonName: given, organizations: groups, dnsNames: names } = x509.readCertificate(signed)
  assert.deepEqual([given, groups, names], [subject.commonName, subject.organizations, subject.dnsNames])
  const { issuer, isAuthority } = x509.readCertificate(authority.certPem)
  assert.deepEqual([issuer, isAuthority], ['CN=kubernetes', true])
  const bad = (error: unknown) => error instanceof StatusError && error.reason === 'BadRequest'
  assert.throws(() => x509.readCertificate('nonsense'), bad)
  assert.throws(() => x509.readCertificate(certPem.replace(/[A-Z]{3}/, 'AAA')), bad)
})

test('a process that has read a certificate first of all can connect by TLS', () => {
  const program = `
    const { readCertificate } = await import('${new URL('x509.ts', import.meta.url).href}')
    readCertificate(process.env.PEM)
    const { connect } = await import('node:http2')
    connect('https://127.0.0.1:1').on('error', error => console.log(error.code))`
  const args = ['--input-type=module', '--eval', program]
  const { stdout, stderr } = spawnSync(process.execPath, args, {
    encoding: 'utf8',
    env: { ...process.env, PEM: authority.certPem },
  })
  assert.equal(stdout.trim(), 'ECONNREFUSED', stderr)
})
