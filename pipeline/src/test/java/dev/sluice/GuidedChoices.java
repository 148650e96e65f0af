// SPDX-License-Identifier: Apache-2.0
package dev.sluice;

import java.util.SplittableRandom;
import java.util.random.RandomGenerator;

/**
 * Chances drawn from bytes, a few for each, so that a fuzzer which changes a byte changes one choice. Behind their end chance
 * goes on as it likes, the same each time.
 */
final class GuidedChoices implements RandomGenerator {

    private final byte[] choices;
    private final SplittableRandom rest = new SplittableRandom(1);
    private int next;

    GuidedChoices(byte[] choices) {
        this.choices = choices;
    }

    @Override
    public long nextLong() {
        return next < choices.length ? bytes(Long.BYTES) : rest.nextLong();
    }

    @Override
    public int nextInt() {
        return next < choices.length ? (int) bytes(Integer.BYTES) : rest.nextInt();
    }

    @Override
    public int nextInt(int bound) {
        if (bound <= 0) {
            throw new IllegalArgumentException("bound must be positive");
        }
        if (next >= choices.length) {
            return rest.nextInt(bound);
        }
        return (int) (bytes(bound <= 256 ? 1 : bound <= 65536 ? 2 : 4) % bound);
    }

    @Override
    public boolean nextBoolean() {
        return nextInt(2) == 1;
    }

    /** Unsigned, but for eight of them; those that are missing are 0. */
    private long bytes(int count) {
        long value = 0;
        for (int i = 0; i < count; i++) {
            value = value << 8 | (next < choices.length ? choices[next++] & 0xff : 0);
        }
        return value;
    }
}
