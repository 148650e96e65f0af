// SPDX-License-Identifier: Apache-2.0
package dev.sluice.filter;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.testkit.FilterTester;
import dev.sluice.testkit.FilterTester.Output;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

final class EveryTest {

    private static List<Output> kept(String settings, int frames) {
        List<Output> kept = new ArrayList<>();
        try (FilterTester tester = FilterTester.of(new Every.Factory(), settings)) {
            for (int i = 0; i < frames; i++) {
                kept.addAll(tester.frame(new byte[] {(byte) i, 1}, i % 2));
            }
        }
        return kept;
    }

    @Test
    void keepsOneFrameOfSoMany() {
        assertThat(kept("frames = 3", 8)).extracting(Output::sequence).containsExactly(0L, 3L, 6L);
        assertThat(kept("frames = 3, offset = 2", 8))
                .extracting(Output::sequence)
                .containsExactly(2L, 5L);
        assertThat(kept("frames = 1", 3)).hasSize(3);
    }

    @Test
    void aFrameIsKeptWhole() {
        assertThat(kept("frames = 3", 4)).extracting(Output::bytes).containsExactly(new byte[] {0, 1}, new byte[] {3, 1
        });
    }

    @Test
    void whatWasLostBeforeDroppedFramesIsAnnounced() {
        assertThat(kept("frames = 3", 8)).extracting(Output::lostBytes).containsExactly(0L, 2L, 1L);
    }

    @Test
    void badSettingsAreProblems() {
        assertThat(problems("frames = 0")).containsExactly("filters.tested.frames is 0; it must be at least 1");
        assertThat(problems("frames = 3, offset = 3"))
                .containsExactly("filters.tested.offset is 3; of frames = 3 the last is 2");
        assertThat(problems("")).hasSize(1).first().asString().startsWith("filters.tested has no frames; write ");
    }

    private static List<String> problems(String settings) {
        return FilterTester.problems(new Every.Factory(), settings);
    }
}
