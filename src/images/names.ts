// Full names of images, as containerd and Kubernetes use them: `busybox` is `docker.io/library/busybox:latest`.
// Source: github.com/distribution/reference, the grammar and the defaults of `ParseDockerRef`.
import { StatusError } from '../base/errors.ts'

const path = /^[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*)*$/
const host =
  /^(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*|\[[a-fA-F0-9:]+\])(?::\d+)?$/
const tagPattern = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/
const digestPattern = /^sha256:[a-f0-9]{64}$/
const maxNameLength = 255

/** The full name of an image, with registry, repository and either tag or digest. Throws Invalid for any other text. */
export function normalizeName(name: string): string {
  const invalid = (why: string) => new StatusError('Invalid', `${JSON.stringify(name)} is not an image name: ${why}`)
  const [beforeDigest = '', digest, ...more] = name.split('@')
  if (more.length > 0 || (digest !== undefined && !digestPattern.test(digest)))
    throw invalid('its digest is not sha256:<64 hex digits>')
  const colon = beforeDigest.lastIndexOf(':')
  const hasTag = colon > beforeDigest.lastIndexOf('/')
  const repository = hasTag ? beforeDigest.slice(0, colon) : beforeDigest
  const tag = hasTag ? beforeDigest.slice(colon + 1) : undefined
  if (tag !== undefined && !tagPattern.test(tag))
    throw invalid(`its tag ${JSON.stringify(tag)} has characters that are not allowed, or more than 128`)
  const { domain, rest } = splitDomain(repository)
  if (!host.test(domain)) throw invalid(`${JSON.stringify(domain)} is not a registry host`)
  if (!path.test(rest))
    throw invalid('a repository name has only lowercase letters and digits, with . _ - between them')
  if (domain.length + rest.length + 1 > maxNameLength) throw invalid(`it is longer than ${maxNameLength} characters`)
  const whole = `${domain}/${rest}`
  // A digest is more exact than a tag, which is dropped when there are both.
  return digest === undefined ? `${whole}:${tag ?? 'latest'}` : `${whole}@${digest}`
}

// The first part is a registry when it looks like a host. Otherwise the image is on Docker Hub.
function splitDomain(repository: string): { domain: string; rest: string } {
  const slash = repository.indexOf('/')
  const first = slash < 0 ? '' : repository.slice(0, slash)
  const isHost = /[.:]/.test(first) || first === 'localhost' || first.toLowerCase() !== first
  if (!isHost) return { domain: 'docker.io', rest: slash < 0 ? `library/${repository}` : repository }
  const rest = repository.slice(slash + 1)
  if (first === 'index.docker.io' || first === 'docker.io')
    return { domain: 'docker.io', rest: rest.includes('/') ? rest : `library/${rest}` }
  return { domain: first, rest }
}
