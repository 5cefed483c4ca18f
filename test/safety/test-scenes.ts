import type { Test } from 'tap';
import { rowOf, type Scenario } from './scenario.ts';

/** Each scene as a test of its name: nothing was disturbed, and nothing done that it does not allow. */
export function testScenes(t: Pick<Test, 'test'>, scenes: readonly Scenario[]): void {
  for (const scene of scenes.filter(({ onlyByHand }) => !onlyByHand)) {
    if (scene.skip) process.stderr.write(`SKIPPED ${scene.name}: ${scene.skip}\n`);
    void t.test(scene.name, { skip: scene.skip ?? false }, async (t) => {
      const row = rowOf(scene, await scene.play(t));
      t.equal(row.disturbed, 0, `nothing is stopped, reloaded, restarted or ended: ${JSON.stringify(row)}`);
      t.same(row.wrong, [], JSON.stringify(row));
    });
  }
}
