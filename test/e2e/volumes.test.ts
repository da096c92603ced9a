// Volumes of every type that needs no storage system, read and written from inside real containers.
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { run } from '../../src/linux/index.ts'
import { cannotRun, clusterForFile, eventually } from './cluster.ts'
import { becomesReady, eventComes, forever, inPod, mainOf, makePod, podIs, removePods, sh, waitingFor } from './pods.ts'

const options = { skip: cannotRun }
const cluster = clusterForFile('volumes', ['busybox'])
const kubectl = (args: string) => cluster.kubectl(args)
const dir = mkdtempSync(join(tmpdir(), 'kutter-volumes-'))
after(() => rmSync(dir, { recursive: true, force: true }))

/** A container that mounts each volume at a path with the volume's name. */
const mounting = (names: readonly string[], more: object = {}) =>
  sh(forever, { volumeMounts: names.map(name => ({ name, mountPath: `/${name}` })), ...more })

describe('volumes', { concurrency: 3, skip: cannotRun }, () => {
  test('an emptyDir is on disk, or in memory with its size', options, async () => {
    await makePod(cluster, 'empty', {
      volumes: [
        { name: 'disk', emptyDir: {} },
        { name: 'memory', emptyDir: { medium: 'Memory', sizeLimit: '4Mi' } },
      ],
      containers: [mounting(['disk', 'memory'])],
    })
    await becomesReady(cluster, 'empty')
    assert.equal(await inPod(cluster, 'empty', 'ls -A /disk /memory'), '/disk:\n\n/memory:')
    assert.equal(await inPod(cluster, 'empty', 'stat -c %a /disk /memory'), '777\n777')
    assert.match(await inPod(cluster, 'empty', 'grep " /memory " /proc/mounts'), /^tmpfs \/memory tmpfs .*size=4096k/)
    assert.doesNotMatch(await inPod(cluster, 'empty', 'grep " /disk " /proc/mounts'), /tmpfs/)
    const tooMuch = await inPod(cluster, 'empty', 'dd if=/dev/zero of=/memory/x bs=1M count=8 2>&1; echo $?')
    assert.match(tooMuch, /No space left on device/)
    // The files stay when a container is restarted.
    await inPod(cluster, 'empty', 'echo kept > /disk/file')
    await cluster.tryKubectl('exec empty -- kill 1')
    await podIs(cluster, 'empty', 'was restarted', p => mainOf(p)?.restartCount === 1 && mainOf(p)?.ready)
    assert.equal(await inPod(cluster, 'empty', 'cat /disk/file'), 'kept')
    await removePods(cluster, 'empty')
  })

  test('a hostPath is checked or created as its type demands', options, async () => {
    mkdirSync(join(dir, 'there'))
    writeFileSync(join(dir, 'there/file'), 'from the host\n')
    const types: Record<string, string> = {
      Directory: 'there',
      DirectoryOrCreate: 'made',
      File: 'there/file',
      FileOrCreate: 'there/made',
      '': 'there',
    }
    const volumes = Object.entries(types).map(([type, path]) => ({
      name: type.toLowerCase() || 'any',
      hostPath: { path: join(dir, path), type },
    }))
    await makePod(cluster, 'host', { volumes, containers: [mounting(volumes.map(v => v.name))] })
    await becomesReady(cluster, 'host')
    assert.equal(
      await inPod(
        cluster,
        'host',
        'cat /directory/file /file /any/file; echo made > /directoryorcreate/x; echo y > /fileorcreate',
      ),
      'from the host\n'.repeat(3).trim(),
    )
    assert.equal(readFileSync(join(dir, 'made/x'), 'utf8'), 'made\n')
    assert.equal(readFileSync(join(dir, 'there/made'), 'utf8'), 'y\n')
    assert.deepEqual(
      [statSync(join(dir, 'made')).mode & 0o777, statSync(join(dir, 'there/made')).mode & 0o777],
      [0o755, 0o644],
    )

    const wrong: Record<string, [type: string, path: string, problem: string]> = {
      'wrong-dir': ['Directory', 'there/file', 'is not a directory'],
      'wrong-file': ['File', 'there', 'is not a file'],
      'wrong-none': ['Directory', 'nowhere', 'is not a directory'],
      'wrong-socket': ['Socket', 'there/file', 'is not a socket file'],
    }
    for (const [name, [type, path]] of Object.entries(wrong))
      await makePod(cluster, name, {
        volumes: [{ name: 'v', hostPath: { path: join(dir, path), type } }],
        containers: [mounting(['v'])],
      })
    for (const [name, [type, path, problem]] of Object.entries(wrong)) {
      const event = await eventComes(cluster, name, /^FailedMount: /)
      assert.equal(
        event,
        `FailedMount: MountVolume.SetUp failed for volume "v" : hostPath type check failed: ${join(dir, path)} ${problem}`,
        type,
      )
      const pod = await podIs(cluster, name, 'waits', p => waitingFor(p) === 'ContainerCreating')
      assert.equal(pod.status.phase, 'Pending')
    }
    await removePods(cluster, 'host', ...Object.keys(wrong))
    await eventually('they are gone', async () => (await kubectl('get pods -o name')).match(/host|wrong/) === null)
    assert.ok(existsSync(join(dir, 'there/file')), 'what is on the host stays')
  })

  test('ConfigMaps and Secrets are files that follow their objects, and variables', options, async () => {
    await kubectl('create configmap settings --from-literal=color=blue --from-literal=size=small')
    await kubectl('create secret generic hidden --from-literal=password=s3cret')
    await makePod(cluster, 'config', {
      volumes: [
        { name: 'settings', configMap: { name: 'settings' } },
        { name: 'hidden', secret: { secretName: 'hidden', defaultMode: 0o400 } },
        { name: 'some', configMap: { name: 'settings', items: [{ key: 'color', path: 'deep/er', mode: 0o640 }] } },
        { name: 'absent', configMap: { name: 'absent', optional: true } },
        { name: 'nokey', secret: { secretName: 'hidden', optional: true, items: [{ key: 'x', path: 'x' }] } },
      ],
      containers: [
        mounting(['settings', 'hidden', 'some', 'absent', 'nokey'], {
          envFrom: [
            { prefix: 'C_', configMapRef: { name: 'settings' } },
            { secretRef: { name: 'hidden' } },
            { configMapRef: { name: 'absent', optional: true } },
          ],
          env: [
            { name: 'ONE', valueFrom: { configMapKeyRef: { name: 'settings', key: 'size' } } },
            { name: 'TWO', valueFrom: { secretKeyRef: { name: 'hidden', key: 'password' } } },
            { name: 'NONE', valueFrom: { secretKeyRef: { name: 'hidden', key: 'nothing', optional: true } } },
            { name: 'THREE', value: '$(ONE)-$(C_color)-$(UNKNOWN)-$$(ONE)' },
          ],
        }),
      ],
    })
    await becomesReady(cluster, 'config')
    assert.equal(
      await inPod(cluster, 'config', 'cat /settings/color /settings/size /hidden/password /some/deep/er'),
      'bluesmalls3cretblue',
    )
    assert.equal(await inPod(cluster, 'config', 'ls /absent /nokey'), '/absent:\n\n/nokey:')
    assert.equal(
      await inPod(cluster, 'config', 'stat -L -c %a /settings/color /hidden/password /some/deep/er'),
      '644\n400\n640',
    )
    assert.match(await inPod(cluster, 'config', 'touch /settings/x 2>&1; true'), /Read-only file system/)
    assert.match(await inPod(cluster, 'config', 'grep " /hidden " /proc/mounts'), /^tmpfs /)
    assert.equal(
      await inPod(cluster, 'config', 'echo "$C_color $C_size $password $ONE $TWO [${NONE-unset}] $THREE"'),
      'blue small s3cret small s3cret [unset] small-blue-$(UNKNOWN)-$(ONE)',
    )
    await kubectl(`patch configmap settings -p '{"data":{"color":"green","new":"1","size":null}}'`)
    await kubectl(`patch secret hidden -p '{"stringData":{"password":"changed"}}'`)
    await kubectl('create configmap absent --from-literal=here=now')
    await eventually('the new contents', async () => {
      const seen = await inPod(
        cluster,
        'config',
        'cat /settings/color /hidden/password /some/deep/er /absent/here; ls /settings',
      )
      return seen === 'greenchangedgreennowcolor\nnew'
    })
    assert.equal(await inPod(cluster, 'config', 'echo $C_color'), 'blue')
    await removePods(cluster, 'config')
  })

  test('a pod waits for ConfigMaps and Secrets that are not optional', options, async () => {
    await makePod(cluster, 'lacks-volume', {
      volumes: [{ name: 'v', configMap: { name: 'later' } }],
      containers: [mounting(['v'])],
    })
    await makePod(cluster, 'lacks-env', { containers: [sh(forever, { envFrom: [{ secretRef: { name: 'later' } }] })] })
    await makePod(cluster, 'lacks-key', {
      containers: [sh(forever, { env: [{ name: 'X', valueFrom: { configMapKeyRef: { name: 'later', key: 'k' } } }] })],
    })
    await eventComes(
      cluster,
      'lacks-volume',
      /^FailedMount: MountVolume\.SetUp failed for volume "v" : configmap "later" not found$/,
    )
    const lacking = await podIs(cluster, 'lacks-env', 'waits', p => waitingFor(p) === 'CreateContainerConfigError')
    assert.equal(mainOf(lacking)?.state.waiting?.message, 'secret "later" not found')
    await podIs(cluster, 'lacks-key', 'waits', p => waitingFor(p) === 'CreateContainerConfigError')
    await kubectl('create configmap later --from-literal=other=1')
    await podIs(
      cluster,
      'lacks-key',
      'misses a key',
      p => mainOf(p)?.state.waiting?.message === `couldn't find key k in ConfigMap default/later`,
    )
    await kubectl('create secret generic later --from-literal=k=v')
    await kubectl(`patch configmap later -p '{"data":{"k":"v"}}'`)
    for (const name of ['lacks-volume', 'lacks-env', 'lacks-key']) await becomesReady(cluster, name)
    await removePods(cluster, 'lacks-volume', 'lacks-env', 'lacks-key')
  })

  test("the downward API gives the pod's own fields as files that follow it, and as variables", options, async () => {
    const field = (path: string, fieldPath: string) => ({ path, fieldRef: { fieldPath } })
    await makePod(
      cluster,
      'down',
      {
        volumes: [
          {
            name: 'self',
            downwardAPI: {
              items: [
                field('labels', 'metadata.labels'),
                field('annotations', 'metadata.annotations'),
                field('name', 'metadata.name'),
                field('one', `metadata.labels['tier']`),
                { path: 'cpu', resourceFieldRef: { containerName: 'main', resource: 'limits.cpu', divisor: '1m' } },
                { path: 'memory', resourceFieldRef: { containerName: 'main', resource: 'requests.memory' } },
              ],
            },
          },
        ],
        containers: [
          mounting(['self'], {
            resources: { limits: { cpu: '250m', memory: '64Mi' }, requests: { memory: '32Mi' } },
            env: [
              { name: 'NODE', valueFrom: { fieldRef: { fieldPath: 'spec.nodeName' } } },
              { name: 'IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } },
              { name: 'NS', valueFrom: { fieldRef: { fieldPath: 'metadata.namespace' } } },
              { name: 'MEM', valueFrom: { resourceFieldRef: { resource: 'limits.memory', divisor: '1Mi' } } },
            ],
          }),
        ],
      },
      { labels: { tier: 'front', zone: 'a' }, annotations: { note: 'two\nlines' } },
    )
    const pod = await becomesReady(cluster, 'down')
    assert.equal(await inPod(cluster, 'down', 'cat /self/labels'), 'tier="front"\nzone="a"')
    assert.match(await inPod(cluster, 'down', 'cat /self/annotations'), /^note="two\\nlines"$/m)
    assert.equal(
      await inPod(cluster, 'down', 'cd /self; echo $(cat name) $(cat one) $(cat cpu) $(cat memory)'),
      `down front 250 ${32 * 1024 * 1024}`,
    )
    const node = await kubectl(`get nodes -o jsonpath='{.items[0].metadata.name}'`)
    assert.equal(await inPod(cluster, 'down', 'echo $NODE $IP $NS $MEM'), `${node} ${pod.status.podIP} default 64`)
    await kubectl('label pod down tier=back --overwrite')
    await eventually('the new label', async () => (await inPod(cluster, 'down', 'cat /self/one')) === 'back')
    assert.match(await inPod(cluster, 'down', 'cat /self/labels'), /^tier="back"\n/)
    await removePods(cluster, 'down')
  })

  test('a projected volume has several sources in one directory, with a token for an audience', options, async () => {
    await kubectl('create configmap part --from-literal=from=config')
    await kubectl('create secret generic part --from-literal=secret=hush')
    await makePod(cluster, 'projected', {
      automountServiceAccountToken: true,
      securityContext: { runAsUser: 1000, runAsGroup: 1000, fsGroup: 2000 },
      volumes: [
        {
          name: 'all',
          projected: {
            defaultMode: 0o440,
            sources: [
              { configMap: { name: 'part', items: [{ key: 'from', path: 'config/from' }] } },
              { secret: { name: 'part' } },
              { downwardAPI: { items: [{ path: 'name', fieldRef: { fieldPath: 'metadata.name' } }] } },
              { serviceAccountToken: { path: 'token', audience: 'vault', expirationSeconds: 1200 } },
            ],
          },
        },
      ],
      containers: [mounting(['all'])],
    })
    const pod = await becomesReady(cluster, 'projected')
    assert.equal(await inPod(cluster, 'projected', 'cat /all/config/from /all/secret /all/name'), 'confighushprojected')
    const claims = claimsOf(await inPod(cluster, 'projected', 'cat /all/token'))
    assert.deepEqual(
      [claims.aud, claims.sub, claims.exp - claims.iat],
      [['vault'], 'system:serviceaccount:default:default', 1200],
    )
    assert.deepEqual(claims['kubernetes.io'].pod, { name: 'projected', uid: pod.metadata.uid })
    const where = '/var/run/secrets/kubernetes.io/serviceaccount'
    const own = claimsOf(await inPod(cluster, 'projected', `cat ${where}/token`))
    assert.match(own.aud[0] ?? '', /^https:\/\/kubernetes\.default\.svc/)
    assert.equal(await inPod(cluster, 'projected', `cat ${where}/namespace`), 'default')
    assert.match(await inPod(cluster, 'projected', `cat ${where}/ca.crt`), /BEGIN CERTIFICATE/)
    await removePods(cluster, 'projected')
  })

  test(
    'a subPath is a part of a volume, also by a variable, and a symbolic link cannot lead out of it',
    options,
    async () => {
      mkdirSync(join(dir, 'sub/inner'), { recursive: true })
      symlinkSync('/etc', join(dir, 'sub/escape'))
      symlinkSync('inner', join(dir, 'sub/inside'))
      writeFileSync(join(dir, 'sub/inner/file'), 'inner\n')
      const volumes = [
        { name: 'v', hostPath: { path: join(dir, 'sub') } },
        { name: 'e', emptyDir: {} },
      ]
      const mounts = (subPath: string) => [{ name: 'v', mountPath: '/v', subPath }]
      await makePod(cluster, 'sub', {
        volumes,
        containers: [
          sh(forever, {
            env: [{ name: 'NAME', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } }],
            volumeMounts: [
              ...mounts('inner'),
              { name: 'v', mountPath: '/file', subPath: 'inner/file', readOnly: true },
              { name: 'v', mountPath: '/inside', subPath: 'inside' },
              { name: 'e', mountPath: '/made', subPath: 'a/b' },
              { name: 'e', mountPath: '/named', subPathExpr: 'for-$(NAME)' },
              { name: 'e', mountPath: '/e' },
            ],
          }),
        ],
      })
      await makePod(cluster, 'escape', { volumes, containers: [sh(forever, { volumeMounts: mounts('escape') })] })
      await becomesReady(cluster, 'sub')
      assert.equal(await inPod(cluster, 'sub', 'cat /v/file /file /inside/file'), 'inner\ninner\ninner')
      assert.match(await inPod(cluster, 'sub', 'echo x 2>&1 > /file; true').catch(String), /Read-only file system/)
      await inPod(cluster, 'sub', 'touch /made/x /named/y')
      assert.equal(await inPod(cluster, 'sub', 'find /e -type f | sort'), '/e/a/b/x\n/e/for-sub/y')
      const refused = await podIs(cluster, 'escape', 'is refused', p => waitingFor(p) === 'CreateContainerConfigError')
      assert.match(
        mainOf(refused)?.state.waiting?.message ?? '',
        /^failed to prepare subPath for volumeMount "v" of container "main"/,
      )
      await removePods(cluster, 'sub', 'escape')
    },
  )

  test('a projected trust bundle has the certificates of its signer, and follows them', options, async () => {
    const ca = async (name: string) => {
      const out = join(dir, `${name}.crt`)
      const to = ['-keyout', join(dir, `${name}.key`), '-out', out, '-days', '1', '-subj', `/CN=${name}`]
      await run('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', ...to])
      return readFileSync(out, 'utf8')
    }
    const bundle = (name: string, trustBundle: string) => ({
      apiVersion: 'certificates.k8s.io/v1',
      kind: 'ClusterTrustBundle',
      metadata: { name: `example.com:s:${name}`, labels: { use: 'yes' } },
      spec: { signerName: 'example.com/s', trustBundle },
    })
    const [one, two] = [await ca('one'), await ca('two')]
    await cluster.apply(bundle('one', one))
    const clusterTrustBundle = {
      signerName: 'example.com/s',
      labelSelector: { matchLabels: { use: 'yes' } },
      path: 'ca',
    }
    await makePod(cluster, 'trusts', {
      volumes: [{ name: 'v', projected: { sources: [{ clusterTrustBundle }] } }],
      containers: [mounting(['v'])],
    })
    await becomesReady(cluster, 'trusts')
    assert.equal(await inPod(cluster, 'trusts', 'cat /v/ca'), one.trim())
    await cluster.apply(bundle('two', two))
    await eventually('both are there', async () => {
      const text = await inPod(cluster, 'trusts', 'cat /v/ca')
      return [one, two].every(certificate => text.includes(certificate.trim()))
    })
    await removePods(cluster, 'trusts')
    await kubectl('delete clustertrustbundles example.com:s:one example.com:s:two')
  })

  test('an fsGroup owns the volumes, and a read-only root cannot be written', options, async () => {
    await makePod(cluster, 'group', {
      securityContext: { fsGroup: 2000, runAsUser: 1000, runAsGroup: 1000 },
      volumes: [
        { name: 'disk', emptyDir: {} },
        { name: 'memory', emptyDir: { medium: 'Memory' } },
      ],
      containers: [mounting(['disk', 'memory'], { securityContext: { readOnlyRootFilesystem: true } })],
    })
    await becomesReady(cluster, 'group')
    assert.match(
      await inPod(cluster, 'group', 'id'),
      /^uid=1000 gid=1000 groups=1000,2000$|^uid=1000 gid=1000 groups=2000$/,
    )
    for (const name of ['disk', 'memory'])
      assert.equal(
        await inPod(cluster, 'group', `touch /${name}/x; stat -c '%u %g' /${name}/x; stat -c '%g %a' /${name}`),
        '1000 2000\n2000 2777',
        name,
      )
    assert.match(await inPod(cluster, 'group', 'touch /tmp/x 2>&1; true'), /Read-only file system/)
    await removePods(cluster, 'group')
  })
})

interface Claims {
  aud: string[]
  sub: string
  iat: number
  exp: number
  'kubernetes.io': { pod: object }
}

const claimsOf = (token: string) => JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as Claims
