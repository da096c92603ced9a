// Projected volumes: several sources whose files share one directory, so that no two may have the same path.
// Source: pkg/apis/core/validation (validateProjectionSources).
import { named, type Problems, present, validateSelector } from '../../api/checks.ts'
import type { Path } from '../../api/path.ts'
import { signerErrors, trustBundleErrors } from '../certificates/signer-names.ts'
import { fileMode, localPath } from './path-rules.ts'
import type {
  ClusterTrustBundleProjection,
  KeyToPath,
  PodCertificateProjection,
  ProjectedVolumeSource,
  ServiceAccountTokenProjection,
  VolumeProjection,
} from './volume.ts'
import { validateDownwardFile, validateKeys } from './volume-file-rules.ts'

export function* validateProjected(volume: ProjectedVolumeSource, at: Path): Problems {
  yield* fileMode(volume.defaultMode, at.field('defaultMode'))
  const paths = new Set<string>()
  for (const [i, source] of (volume.sources ?? []).entries()) {
    yield* validateProjection(source, paths, at, at.field('sources').index(i))
    if (Object.keys(source).length > 1)
      yield at.field('sources').index(i).forbidden('may not specify more than 1 volume type per source')
  }
}

/** `taken` are the paths of the sources before; `whole` is the place of the volume. */
function* validateProjection(source: VolumeProjection, taken: Set<string>, whole: Path, at: Path): Problems {
  const { secret, configMap, downwardAPI, serviceAccountToken, clusterTrustBundle, podCertificate } = source
  if (secret) yield* validateNamed(secret, taken, whole, at.field('secret'))
  if (configMap) yield* validateNamed(configMap, taken, whole, at.field('configMap'))
  for (const file of downwardAPI?.items ?? []) {
    yield* validateDownwardFile(file, at.field('downwardAPI'))
    yield* takePath(file.path, file.path, taken, whole)
  }
  if (serviceAccountToken) yield* validateToken(serviceAccountToken, whole, at.field('serviceAccountToken'))
  if (clusterTrustBundle) {
    yield* validateBundle(clusterTrustBundle, at.field('clusterTrustBundle'))
    yield* takePath(clusterTrustBundle.path, clusterTrustBundle.path, taken, whole)
  }
  if (podCertificate) yield* validateCertificate(podCertificate, taken, whole, at.field('podCertificate'))
}

function* takePath(path: string, shown: string | undefined, taken: Set<string>, whole: Path): Problems {
  if (path && taken.has(path)) yield whole.invalid(shown, 'conflicting duplicate paths')
  taken.add(path)
}

function* validateNamed(
  { name, items = [] }: { readonly name?: string; readonly items?: readonly KeyToPath[] },
  taken: Set<string>,
  whole: Path,
  at: Path,
): Problems {
  yield* present(name, at.field('name'))
  yield* validateKeys(items, at.field('items'))
  for (const { path } of items) yield* takePath(path, name, taken, whole)
}

const minTokenSeconds = 600
const maxTokenSeconds = 2 ** 32

function* validateToken(
  { expirationSeconds: seconds = 0, path }: ServiceAccountTokenProjection,
  whole: Path,
  at: Path,
): Problems {
  if (seconds < minTokenSeconds)
    yield at.field('expirationSeconds').invalid(seconds, 'may not specify a duration less than 10 minutes')
  if (seconds > maxTokenSeconds)
    yield at.field('expirationSeconds').invalid(seconds, 'may not specify a duration larger than 2^32 seconds')
  if (!path) yield whole.field('path').required()
  else yield* localPath(path, whole.field('path'))
}

function* validateBundle(bundle: ClusterTrustBundleProjection, at: Path): Problems {
  const { name, signerName, labelSelector, path } = bundle
  if (name !== undefined && signerName !== undefined)
    yield at.invalid(bundle, 'only one of name and signerName may be used')
  else if (name !== undefined) {
    if (!name) yield at.field('name').required('must be a valid object name')
    for (const error of trustBundleErrors(name))
      yield at.field('name').invalid(name, `not a valid clustertrustbundlename: ${error}`)
    if (labelSelector)
      yield at.field('labelSelector').invalid(labelSelector, 'labelSelector must be unset if name is specified')
  } else if (signerName !== undefined) {
    if (!signerName) yield at.field('signerName').required('must be a valid signer name')
    yield* named(signerErrors, signerName, at.field('signerName'))
    yield* validateSelector(labelSelector, at.field('labelSelector'))
  } else yield at.required('either name or signerName must be specified')
  yield* present(path, at.field('path'))
  yield* localPath(path, at.field('path'))
}

const keyTypes = ['RSA3072', 'RSA4096', 'ECDSAP256', 'ECDSAP384', 'ECDSAP521', 'ED25519']
const minCertificateSeconds = 3600
const maxCertificateSeconds = 91 * 86_400

function* validateCertificate(
  certificate: PodCertificateProjection,
  taken: Set<string>,
  whole: Path,
  at: Path,
): Problems {
  const { signerName, keyType, maxExpirationSeconds: seconds } = certificate
  yield* named(signerErrors, signerName, at.field('signerName'))
  if (!keyTypes.includes(keyType)) yield at.field('keyType').notSupported(keyType, keyTypes)
  if (seconds !== undefined && (seconds < minCertificateSeconds || seconds > maxCertificateSeconds))
    yield at
      .field('maxExpirationSeconds')
      .invalid(seconds, `must be between ${minCertificateSeconds} and ${maxCertificateSeconds}`)
  const paths = ['credentialBundlePath', 'keyPath', 'certificateChainPath'] as const
  if (paths.every(field => !certificate[field]))
    yield at.required('specify at least one of credentialBundlePath, keyPath, and certificateChainPath')
  for (const field of paths) {
    const path = certificate[field]
    if (!path) continue
    yield* localPath(path, at.field(field))
    yield* takePath(path, path, taken, whole)
  }
}
