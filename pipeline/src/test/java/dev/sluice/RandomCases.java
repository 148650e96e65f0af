// SPDX-License-Identifier: Apache-2.0
package dev.sluice;

import java.util.SplittableRandom;
import java.util.random.RandomGenerator;

/**
 * Random cases, other ones in each run. A case that fails names its seed, and {@code -Dsluice.seed=SEED} runs that one
 * alone.
 */
public final class RandomCases {

    private RandomCases() {}

    /** A test that draws all it needs from one source of chance. */
    @FunctionalInterface
    public interface Case {
        void run(RandomGenerator random) throws Exception;
    }

    public static void run(int count, Case test) {
        Long only = Long.getLong("sluice.seed");
        long first = only != null ? only : System.nanoTime();
        for (long seed = first; seed < first + (only != null ? 1 : count); seed++) {
            try {
                test.run(new SplittableRandom(seed));
            } catch (Exception | AssertionError e) {
                throw new AssertionError("with -Dsluice.seed=" + seed + ": " + e.getMessage(), e);
            }
        }
    }
}
