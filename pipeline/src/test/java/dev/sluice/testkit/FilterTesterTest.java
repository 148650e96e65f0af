// SPDX-License-Identifier: Apache-2.0
package dev.sluice.testkit;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sluice.filter.Filter;
import dev.sluice.filter.FilterFactory;
import dev.sluice.filter.Frame;
import dev.sluice.filter.Kept;
import dev.sluice.filter.Settings;
import dev.sluice.testkit.FilterTester.Output;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Supplier;
import org.junit.jupiter.api.Test;

final class FilterTesterTest {

    /** Keeps the first bytes of each frame, and what its settings say beyond that. */
    private static final class Start implements FilterFactory {
        @Override
        public String type() {
            return "start";
        }

        @Override
        public Supplier<Filter> configure(Settings settings) {
            long length = settings.bytes("length", 1);
            return () -> (frame, kept) -> kept.keep(0, length);
        }
    }

    /** Emits a byte for each frame; what it does besides is the test's. */
    private abstract static class Emitter implements Filter {
        @Override
        public long scratchBytes(long mostFrameBytes) {
            return 8;
        }
    }

    @Test
    void handsBackWhatGoesOn() {
        try (FilterTester tester = FilterTester.of(new Start(), "length = 2")) {
            Output output = tester.frame(new byte[] {1, 2, 3}, 5).getFirst();
            assertThat(output.bytes()).containsExactly(1, 2);
            assertThat(output.sequence()).isZero();
            assertThat(output.lostBytes()).isEqualTo(5);
            assertThat(output.tags()).isZero();
            assertThat(output.slices()).hasSize(1);
            assertThat(tester.frame(new byte[] {4, 5}).getFirst().sequence()).isEqualTo(1);
            assertThat(tester.finish()).isEmpty();
            assertThatThrownBy(() -> tester.frame(new byte[] {1})).hasMessage("the stream was finished");
        }
    }

    @Test
    void aFrameMayComeInSlices() {
        List<List<Integer>> seen = new ArrayList<>();
        try (FilterTester tester = FilterTester.of((frame, kept) -> {
            List<Integer> lengths = new ArrayList<>();
            for (int i = 0; i < frame.sliceCount(); i++) {
                lengths.add((int) frame.sliceLength(i));
            }
            seen.add(lengths);
            assertThat(frame.timeNanos()).isEqualTo(77);
            kept.keep(1, frame.size() - 1);
        })) {
            assertThat(tester.frame(0, 77, new byte[] {1, 2}, new byte[] {3}, new byte[] {4, 5})
                            .getFirst()
                            .bytes())
                    .containsExactly(2, 3, 4, 5);
            assertThat(seen).containsExactly(List.of(2, 1, 2));
            assertThatThrownBy(() -> tester.frame(0, 0, new byte[1], new byte[0]))
                    .hasMessage("a slice has at least 1 byte");
        }
    }

    @Test
    void theLongestFrameMayComeInTheSmallestSlices() {
        byte[][] slices = new byte[100][1];
        try (FilterTester tester = FilterTester.of((frame, kept) -> kept.keep(0, frame.size()), 4, 100)) {
            assertThat(tester.frame(0, 0, slices).getFirst().bytes()).hasSize(100);
            assertThatThrownBy(() -> tester.frame(new byte[101]))
                    .hasMessage("a frame has 1 to 100 bytes here, not 101");
            assertThatThrownBy(() -> tester.frame(new byte[0])).hasMessage("a frame has 1 to 100 bytes here, not 0");
        }
    }

    @Test
    void aFilterThatBreaksTheRulesFailsWithItsName() {
        try (FilterTester tester = FilterTester.of(new Start(), "length = 4")) {
            assertThatThrownBy(() -> tester.frame(new byte[] {1, 2, 3}))
                    .isInstanceOf(AssertionError.class)
                    .hasMessageContaining(
                            "it kept the slice from 0 of length 4, which is outside the frame of 3 bytes");
        }
    }

    @Test
    void badSettingsFailOrAreListed() {
        assertThatThrownBy(() -> FilterTester.of(new Start(), "length = 0, lenth = 1"))
                .isInstanceOf(AssertionError.class)
                .hasMessageContaining("filters.tested.length is 0; it must be at least 1")
                .hasMessageContaining("filters.tested.lenth is not a setting here");
        assertThat(FilterTester.problems(new Start(), "length = 1")).isEmpty();
        assertThat(FilterTester.problems(new Start(), "")).hasSize(1);
    }

    @Test
    void whatHasGoneOnMustNotChange() {
        List<MemorySegment> earlier = new ArrayList<>();
        FilterTester tester = FilterTester.of(new Emitter() {
            @Override
            public void filter(Frame frame, Kept kept) {
                earlier.add(kept.scratch());
                earlier.getFirst().set(ValueLayout.JAVA_BYTE, 0, (byte) frame.sequence());
                kept.emit(1);
            }
        });
        assertThatThrownBy(() -> {
                    try (tester) {
                        for (int i = 0; i < 3; i++) {
                            tester.frame(new byte[] {1});
                        }
                    }
                })
                .isInstanceOf(AssertionError.class)
                .hasMessage(
                        "frame 0 was changed after it had gone on, at byte 0: the network may have been reading it");
    }

    @Test
    void aFilterThatLooksAtAnEarlierFrameSeesThatItIsGone() {
        List<MemorySegment> earlier = new ArrayList<>();
        List<Byte> seen = new ArrayList<>();
        try (FilterTester tester = FilterTester.of((frame, kept) -> {
            earlier.add(frame.memory(0));
            seen.add(earlier.getFirst().get(ValueLayout.JAVA_BYTE, 0));
        })) {
            tester.frame(new byte[] {1});
            tester.frame(new byte[] {2});
        }
        assertThat(seen).containsExactly((byte) 1, (byte) 0xdb);
    }

    @Test
    void aFilterMayHoldUpFramesForAsLongAsItLikes() {
        try (FilterTester tester = FilterTester.of(new Filter() {
            @Override
            public void filter(Frame frame, Kept kept) {
                if (frame.sequence() == 99) {
                    kept.keep(-1, 1);
                }
            }

            @Override
            public long lookbackBytes() {
                return Long.MAX_VALUE;
            }
        })) {
            for (int i = 0; i < 99; i++) {
                assertThat(tester.frame(new byte[] {(byte) i})).isEmpty();
            }
            assertThat(tester.frame(new byte[] {99}).getFirst().bytes()).containsExactly(98);
        }
    }

    @Test
    void theFilterIsClosedOnce() {
        int[] closed = {0};
        Filter filter = new Filter() {
            @Override
            public void filter(Frame frame, Kept kept) {}

            @Override
            public void close() {
                closed[0]++;
            }
        };
        FilterTester.of(filter).close();
        assertThat(closed[0]).isEqualTo(1);
    }

    @Test
    void framesOfADroppedStreamComeHome() {
        try (FilterTester tester = FilterTester.of((frame, kept) -> kept.keep(0, 1), 4, 16)) {
            for (int i = 0; i < 100; i++) {
                assertThat(tester.frame(new byte[] {(byte) i, 0}).getFirst().bytes())
                        .containsExactly(i);
            }
        }
    }
}
