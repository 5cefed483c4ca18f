/** The two ways to say in files of other programs what {@link allowedVerbs} found. Pure. */
import type { AllowedVerbs } from './allowed-verbs.ts';

/**
 * A rule for polkit (rules.d): systemd asks polkit when somebody who is not root wants something of a unit. What is not
 * named is not handled, so other rules, and in the end polkit's own, decide on it. For the engine of ECMAScript 5.
 */
export function polkitRule({ units }: AllowedVerbs, user: string): string {
  const lines = Object.entries(units).map(([unit, verbs]) => `    ${JSON.stringify(unit)}: ${JSON.stringify(verbs)}`);
  return `// Made by: goodgateway privileges. What the policies can ask systemd for, and nothing else.
polkit.addRule(function (action, subject) {
  var allowed = {
${lines.join(',\n')}
  };
  if (action.id !== "org.freedesktop.systemd1.manage-units" || subject.user !== ${JSON.stringify(user)}) return;
  var unit = action.lookup("unit");
  if (!Object.prototype.hasOwnProperty.call(allowed, unit)) return;
  if (allowed[unit].indexOf(action.lookup("verb")) >= 0) return polkit.Result.YES;
});
`;
}

/** Lines for sudoers, one a command, as the healer would call it. @see sudoers(5) */
export function sudoersLines({ units }: AllowedVerbs, user: string): string {
  const commands = Object.entries(units).flatMap(([unit, verbs]) => verbs.map((verb) => `/usr/bin/systemctl --no-ask-password ${verb} -- ${unit.replaceAll(/[\\:]/g, '\\$&')}`));
  return ['# Made by: goodgateway privileges --sudoers. What the policies can ask systemd for, and nothing else.', ...commands.map((command) => `${user} ALL=(root) NOPASSWD: ${command}`), ''].join(
    '\n',
  );
}
