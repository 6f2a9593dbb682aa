import type { Template } from '../../core/openapi';
import { finder } from '../../kit/text';

/** Templates that match every word of the query and the category, by category, then name. */
export function search(templates: Template[], query: string, category: string): Template[] {
  const fits = finder(query);
  return templates
    .filter((one) => (!category || one.category === category) && fits(`${one.name} ${one.id} ${one.category} ${one.description} ${one.state}`))
    .sort((a, b) => a.category.localeCompare(b.category) || a.name.localeCompare(b.name));
}
