// What the configuration of a cluster says about an etcd that it runs itself: `--store etcd`.

/** The word that `--store` has for it. */
export const ownEtcd = 'etcd'

/** How the member beside a server came to be. */
export interface EtcdStart {
  /** `NAME=URL,…` of the members it joined, itself included. The first member of a cluster joined none. */
  readonly cluster?: string
  /** Whether it has run. From then on it never forms a cluster again, though its data be lost. */
  readonly hasRun?: true
}

/** Whether a cluster runs its etcd itself. */
export const hasOwnEtcd = ({ store }: { readonly store?: string | undefined }): boolean => store === ownEtcd
