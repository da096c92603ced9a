// Which Ingresses the cluster's own ingress controller serves, and which Secrets it reads for them. The nodes that serve
// them, the authorizer that lets nodes read the Secrets, and the controller that writes statuses must agree on both.
import type { Ingress } from './ingress.ts'
import type { IngressClass } from './ingressclass.ts'

/** What IngressClasses name as their controller to be served by the nodes. */
export const ingressController = 'kutter.dev/ingress'
/** The class that every cluster has. */
export const ownIngressClass = 'kutter'
/** Names a class, as Ingresses did before there were classes. Source: networking/v1 IngressSpec, ingressClassName. */
export const legacyClassAnnotation = 'kubernetes.io/ingress.class'
/** Annotations with these prefixes configure an Ingress; of two with the same name the first prefix counts. */
export const annotationPrefixes = ['kutter.dev/', 'nginx.ingress.kubernetes.io/'] as const

/** Whether the nodes serve an Ingress. The annotation takes precedence over the field, as the API demands. */
export function isServed({ metadata, spec }: Ingress, classOf: (name: string) => IngressClass | undefined): boolean {
  const legacy = metadata.annotations?.[legacyClassAnnotation]
  if (legacy !== undefined) return legacy === ownIngressClass || isOwn(classOf(legacy))
  return spec.ingressClassName !== undefined && isOwn(classOf(spec.ingressClassName))
}

const isOwn = (found: IngressClass | undefined) => found?.spec.controller === ingressController

/** The value of an annotation that configures an Ingress, by its name without prefix. */
export function annotationOf({ metadata }: Ingress, name: string): string | undefined {
  for (const prefix of annotationPrefixes) {
    const value = metadata.annotations?.[prefix + name]
    if (value !== undefined) return value
  }
  return undefined
}

/** The name of the Secret with the users of an Ingress. It must be in the Ingress's namespace, which may be named. */
export function authSecretOf(ingress: Ingress): string | undefined {
  const value = annotationOf(ingress, 'auth-secret')?.trim()
  const own = `${ingress.metadata.namespace}/`
  return value?.startsWith(own) ? value.slice(own.length) : value
}

/** The names of the Secrets, all in its own namespace, that an Ingress refers to. */
export function secretsOfIngress(ingress: Ingress): string[] {
  const names = [...(ingress.spec.tls ?? []).map(({ secretName }) => secretName), authSecretOf(ingress)]
  return [...new Set(names.filter((name): name is string => !!name && !name.includes('/')))]
}

/** The ports that Ingresses have at present: all of these as long as one is served. */
export const portsOfIngresses = (
  ingresses: readonly Ingress[],
  classOf: (name: string) => IngressClass | undefined,
  ports: readonly number[],
): readonly number[] => (ingresses.some(ingress => isServed(ingress, classOf)) ? ports : [])
