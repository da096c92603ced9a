// Keys that clients choose may be called like what every object of JavaScript inherits: `constructor`, `toString`.

/** The value under a key of a map; undefined where the map itself has none. */
export const own = <T>(map: Readonly<Record<string, T>> | undefined, key: string): T | undefined =>
  map && Object.hasOwn(map, key) ? map[key] : undefined
