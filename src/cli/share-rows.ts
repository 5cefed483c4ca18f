export interface Wish {
  /** Gets its first row before anybody else gets one. */
  readonly essential: boolean;
  /** Rows for all of it. */
  readonly wants: number;
}

/** How many of `room` rows each gets: one for each essential wish, then one for each other, then what they want; the first ones first. */
export function shareRows(wishes: readonly Wish[], room: number): readonly number[] {
  let left = Math.max(0, room);
  const given = wishes.map(() => 0);
  const give = (to: (wish: Wish) => number): void =>
    wishes.forEach((wish, i) => {
      const rows = Math.min(left, Math.max(0, to(wish) - given[i]!));
      given[i]! += rows;
      left -= rows;
    });
  give(({ essential, wants }) => (essential ? Math.min(1, wants) : 0));
  give(({ wants }) => Math.min(1, wants));
  give(({ wants }) => wants);
  return given;
}
