// The options about who may use the API server: what goes together, and what a later command takes back.
import { deepStrictEqual, throws } from 'node:assert/strict'
import { test } from 'node:test'
import { accessOptions, accessOptionSpecs } from './access-options.ts'
import { mergedAccess } from './access-settings.ts'
import { parseArgs } from './args.ts'

const read = (text: string) => accessOptions(parseArgs(text.split(' ').filter(Boolean), accessOptionSpecs)).access

test('paths become full paths, and other options stay as they are', () => {
  deepStrictEqual(read(''), undefined)
  deepStrictEqual(read('--authentication-config /a --anonymous-auth=false --insecure-port 8080'), {
    authenticationConfig: '/a',
    anonymousAuth: 'false',
    insecurePort: 8080,
  })
  deepStrictEqual(read('--authorization-mode RBAC,Webhook --authorization-webhook-cache-authorized-ttl 10s'), {
    authorizationMode: 'RBAC,Webhook',
    authorizedTtl: '10s',
  })
  deepStrictEqual(read('--password-auth-file= --authorization-webhook-cache-unauthorized-ttl='), {
    passwordFile: '',
    unauthorizedTtl: '',
  })
  for (const address of ['127.0.0.1', '127.1.2.3', '::1', 'localhost'])
    deepStrictEqual(read(`--insecure-bind-address ${address}`), { insecureAddress: address })
})

test('what does not go together is refused', () => {
  for (const [text, why] of [
    ['--authentication-config /a --oidc-issuer-url https://i', /mutually exclusive/],
    ['--oidc-issuer-url https://i', /must be specified together/],
    ['--oidc-client-id a', /must be specified together/],
    ['--oidc-ca-file /a', /must be specified together/],
    ['--authorization-config /a --authorization-mode RBAC', /can not be specified when/],
    ['--authorization-config /a --authorization-webhook-cache-authorized-ttl 1s', /can not be specified when/],
    ['--authorization-mode RBAC,ABAC', /"ABAC" is none of AlwaysAllow, AlwaysDeny, Node, RBAC, Webhook/],
    ['--authorization-mode RBAC,RBAC', /a mode twice/],
    ['--anonymous-auth no', /must be true or false/],
    ['--insecure-port 65536', /whole number/],
    ['--insecure-bind-address 0.0.0.0', /0\.0\.0\.0 is refused/],
    ['--insecure-bind-address 127.0.0.1.example.com', /is refused/],
  ] as const)
    throws(() => read(text), why, text)
})

test('a new choice drops the one that it would contradict', () => {
  const oidc = { oidcIssuerUrl: 'https://i', oidcClientId: 'a', oidcCaFile: '/ca' }
  deepStrictEqual(mergedAccess({ ...oidc, passwordFile: '/p' }, { authenticationConfig: '/a' }), {
    passwordFile: '/p',
    authenticationConfig: '/a',
  })
  deepStrictEqual(mergedAccess({ authenticationConfig: '/a' }, oidc), oidc)
  deepStrictEqual(mergedAccess({ authorizationMode: 'RBAC', authorizedTtl: '1s' }, { authorizationConfig: '/a' }), {
    authorizationConfig: '/a',
  })
  deepStrictEqual(mergedAccess({ authorizationConfig: '/a' }, { authorizationMode: 'RBAC' }), {
    authorizationMode: 'RBAC',
  })
  // An empty value takes back one option alone.
  deepStrictEqual(mergedAccess({ ...oidc, insecurePort: 1 }, { authenticationConfig: '' }), {
    ...oidc,
    insecurePort: 1,
    authenticationConfig: '',
  })
  deepStrictEqual(mergedAccess(undefined, { insecurePort: 0 }), { insecurePort: 0 })
})
