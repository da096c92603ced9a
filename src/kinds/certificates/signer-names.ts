// Names of signers, `example.com/signer-name`, and of the trust bundles that belong to them.
// Source: pkg/apis/core/validation/names.go.
import { dnsSubdomainErrors } from '../../api/names.ts'

const maxPathLength = 571
const shape = "must be a fully qualified domain and path of the form 'example.com/signer-name'"

/** What is wrong with the name of a signer. */
export function signerErrors(name: string): string[] {
  const [domain = '', ...path] = name.split('/')
  if (!name || !path.length) return [shape]
  const errors = dnsSubdomainErrors(domain)
  if (!errors.length && !domain.includes('.'))
    errors.push('should be a domain with at least two segments separated by dots')
  if (errors.length) return errors
  if (path.length > 1) return [shape]
  const rest = path[0]!
  if (rest.length > maxPathLength) return [`must be no more than ${maxPathLength} characters`]
  return dnsSubdomainErrors(rest).length ? dnsSubdomainErrors(rest) : []
}

/** What is wrong with the name of a trust bundle: of a signer's it begins with the signer's name. */
export function trustBundleErrors(name: string, signer = signerOf(name)): string[] {
  if (!signer)
    return name.includes(':')
      ? ['ClusterTrustBundle without signer name must not have ":" in its name']
      : dnsSubdomainErrors(name)
  const prefix = `${signer.replaceAll('/', ':')}:`
  if (!name.startsWith(prefix))
    return [`ClusterTrustBundle for signerName ${signer} must be named with prefix ${prefix}`]
  return dnsSubdomainErrors(name.slice(prefix.length))
}

const signerOf = (name: string): string => {
  const parts = name.split(':')
  return parts.length === 3 ? `${parts[0]}/${parts[1]}` : ''
}
