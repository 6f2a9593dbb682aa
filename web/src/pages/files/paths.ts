// Paths of a machine, and what stands for a transfer. Pure.

export const below = (folder: string, name: string): string => (folder.endsWith('/') ? folder + name : `${folder}/${name}`);

/** The folders that lead to a path, from the root down, each with its own path. */
export function steps(path: string): { name: string; path: string }[] {
  const names = path.split('/').filter(Boolean);
  return [{ name: '/', path: '/' }, ...names.map((name, index) => ({ name, path: `/${names.slice(0, index + 1).join('/')}` }))];
}

/** Of the same file to the same place the same, so that a later try goes on where this one broke off: 16 of 0-9 and a-f. */
export function uploadKey(place: string, file: { size: number; lastModified: number }): string {
  let [low, high] = [0x811c9dc5, 0x01000193];
  for (const char of `${place}\n${file.size}\n${file.lastModified}`) {
    const code = char.codePointAt(0) ?? 0;
    low = Math.imul(low ^ code, 0x01000193) >>> 0;
    high = Math.imul(high ^ low, 0x85ebca6b) >>> 0;
  }
  return low.toString(16).padStart(8, '0') + high.toString(16).padStart(8, '0');
}

/** Permissions as people know them. */
export function modeWords(mode: number): string {
  return Array.from('rwxrwxrwx').map((letter, index) => (mode & (0o400 >> index) ? letter : '-')).join('');
}
