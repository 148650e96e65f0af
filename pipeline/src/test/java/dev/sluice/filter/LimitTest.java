// SPDX-License-Identifier: Apache-2.0
package dev.sluice.filter;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.RandomCases;
import dev.sluice.testkit.FilterTester;
import dev.sluice.testkit.FilterTester.Output;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

final class LimitTest {

    private static final long SECOND = 1_000_000_000;
    private static final long START = 1_700_000_000 * SECOND;

    /** Sequence numbers of the frames that go on, of those that come at the given milliseconds. */
    private static List<Long> kept(String settings, int frameBytes, long... millis) {
        List<Long> kept = new ArrayList<>();
        try (FilterTester tester = FilterTester.of(new Limit.Factory(), settings)) {
            for (long at : millis) {
                tester.frame(0, START + at * 1_000_000, new byte[frameBytes])
                        .forEach(output -> kept.add(output.sequence()));
            }
        }
        return kept;
    }

    @Test
    void soManyFramesASecondGoOn() {
        assertThat(kept("frames-per-second = 2", 8, 0, 100, 200, 500, 900, 1000, 1001))
                .containsExactly(0L, 1L, 3L, 5L);
    }

    @Test
    void soManyBytesASecondGoOn() {
        assertThat(kept("bytes-per-second = 100", 50, 0, 1, 2, 501, 502, 1001)).containsExactly(0L, 1L, 3L, 5L);
    }

    @Test
    void aPauseIsMadeUpForUpToTheBurst() {
        assertThat(kept("frames-per-second = 1, burst = 3s", 8, 0, 0, 0, 0, 60_000, 60_000, 60_000, 60_000))
                .containsExactly(0L, 1L, 2L, 4L, 5L, 6L);
    }

    @Test
    void aFrameLargerThanTheBurstGoesOnAndThoseAfterItWait() {
        assertThat(kept("bytes-per-second = 100", 250, 0, 1000, 2000, 2499, 2500, 4999, 5000))
                .containsExactly(0L, 4L, 6L);
        assertThat(kept("frames-per-second = 0.5", 8, 0, 1999, 2000)).containsExactly(0L, 2L);
    }

    @Test
    void aClockThatIsSetBackGivesNothing() {
        assertThat(kept("frames-per-second = 1", 8, 0, -60_000, -59_500, -59_000))
                .containsExactly(0L, 3L);
    }

    @Test
    void noSpanOfTimeHasMoreThanTheBurstAndTheRateAllow() {
        RandomCases.run(300, random -> {
            int rate = random.nextInt(100, 10_000);
            List<long[]> kept = new ArrayList<>();
            try (FilterTester tester =
                    FilterTester.of(new Limit.Factory(), "bytes-per-second = " + rate + ", burst = 500ms")) {
                long now = START;
                for (int i = 0; i < 100; i++) {
                    now += random.nextLong(SECOND / 2);
                    long at = now;
                    for (Output output : tester.frame(0, now, new byte[random.nextInt(1, 1000)])) {
                        kept.add(new long[] {at, output.bytes().length});
                    }
                }
            }
            assertThat(kept.getFirst()[0]).isLessThan(START + SECOND / 2);
            for (int from = 0; from < kept.size(); from++) {
                long bytes = 0;
                for (int to = from; to < kept.size(); to++) {
                    double seconds = (double) (kept.get(to)[0] - kept.get(from)[0]) / SECOND;
                    assertThat((double) bytes)
                            .as("before frame " + to + " since frame " + from)
                            .isLessThanOrEqualTo(rate * 0.5 + rate * seconds + 1000);
                    bytes += kept.get(to)[1];
                }
            }
        });
    }

    @Test
    void badSettingsAreProblems() {
        assertThat(problems(""))
                .containsExactly(
                        "filters.tested.bytes-per-second or frames-per-second must be written, such as 1MB or 10");
        assertThat(problems("bytes-per-second = 1, frames-per-second = 1"))
                .containsExactly("filters.tested.frames-per-second stands beside bytes-per-second; write one of them");
        assertThat(problems("bytes-per-second = 0"))
                .containsExactly("filters.tested.bytes-per-second is 0; it must be at least 1");
        assertThat(problems("frames-per-second = 0"))
                .containsExactly("filters.tested.frames-per-second is 0.0; it must be from 0.001 to 1.0E9");
        assertThat(problems("frames-per-second = 1, burst = 0s"))
                .containsExactly("filters.tested.burst is 0 ms; it must be at least 1 ms");
    }

    private static List<String> problems(String settings) {
        return FilterTester.problems(new Limit.Factory(), settings);
    }
}
