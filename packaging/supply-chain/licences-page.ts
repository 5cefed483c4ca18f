import { productionPackages } from './production-packages.ts';

/** docs/licences.md, from package-lock.json. */
export function licencesPage(): string {
  const packages = productionPackages();
  const kinds = [...new Set(packages.map(({ licence }) => licence))].sort();
  const counted = kinds.map((kind) => `${kind} (${packages.filter(({ licence }) => licence === kind).length})`).join(', ');
  const rows = packages.map(({ name, version, licence }) => `| ${name} | ${version} | ${licence} |`);
  return `# Licences

goodgateway is [Apache-2.0](../LICENSE). An installation also holds these ${packages.length} packages:
${counted}. The text of each is in its
folder in \`node_modules\`. The Debian package and the container image bring Node (MIT, and those of its parts) as well.

This page is made of package-lock.json by \`npm run licences\`; a test compares them.

| package | version | licence |
|---|---|---|
${rows.join('\n')}
`;
}
