// SPDX-License-Identifier: Apache-2.0
package dev.sluice.stream;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sluice.RandomCases;
import dev.sluice.filter.Kept;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.random.RandomGenerator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

final class LentFrameTest {

    private static final int DEVICE_BYTES = 4096;

    private final MemorySegment device = MemorySegment.ofArray(new byte[DEVICE_BYTES]);
    private final LentFrame frame = new LentFrame(3, device);

    LentFrameTest() {
        for (int at = 0; at < DEVICE_BYTES; at++) {
            device.set(JAVA_BYTE, at, (byte) (at * 31 + at / 256));
        }
    }

    private void lend(long offset, long bytes) {
        frame.lend(offset, bytes, 9, 1000, 50_000, 16, 2000);
    }

    /** The bytes that the slices name, end to end. */
    private List<Byte> content() {
        List<Byte> content = new ArrayList<>();
        for (int slice = 0; slice < frame.sliceCount(); slice++) {
            assertThat(frame.sliceLength(slice)).isPositive();
            for (long at = 0; at < frame.sliceLength(slice); at++) {
                content.add(frame.memory().get(JAVA_BYTE, frame.sliceOffset(slice) + at));
            }
        }
        return content;
    }

    private List<List<Long>> slices() {
        List<List<Long>> slices = new ArrayList<>();
        for (int slice = 0; slice < frame.sliceCount(); slice++) {
            slices.add(List.of(frame.sliceOffset(slice), frame.sliceLength(slice)));
        }
        return slices;
    }

    @Test
    void aLentFrameIsOneSliceOfItsBuffer() {
        lend(1024, 100);
        assertThat(frame.buffer()).isEqualTo(3);
        assertThat(frame.size()).isEqualTo(100);
        assertThat(slices()).containsExactly(List.of(0L, 100L));
        assertThat(frame.sequence()).isEqualTo(9);
        assertThat(frame.timeNanos()).isEqualTo(1000);
        assertThat(frame.lentAtNanos()).isEqualTo(2000);
        assertThat(frame.sourceOffset()).isEqualTo(50_000);
        assertThat(frame.keptSourceOffset()).isEqualTo(50_000);
        assertThat(frame.endSourceOffset()).isEqualTo(50_100);
        assertThat(frame.lostBytes()).isEqualTo(16);
        assertThat(frame.memory().toArray(JAVA_BYTE))
                .isEqualTo(device.asSlice(1024, 100).toArray(JAVA_BYTE));
        assertThat(frame.sliceAddress(0)).isEqualTo(device.address() + 1024);
    }

    @Test
    void aFilterCannotWriteToTheBuffer() {
        lend(0, 100);
        assertThat(frame.memory().isReadOnly()).isTrue();
    }

    @Test
    void theMemoryIsThatOfTheFrameLentNow() {
        for (long[] offsetAndBytes : new long[][] {{0, 100}, {0, 50}, {512, 50}, {512, 50}}) {
            lend(offsetAndBytes[0], offsetAndBytes[1]);
            assertThat(frame.memory().mismatch(device.asSlice(offsetAndBytes[0], offsetAndBytes[1])))
                    .isEqualTo(-1);
        }
    }

    @Test
    void slicesOfASecondFilterAreSlicesOfWhatTheFirstKept() throws Exception {
        lend(0, 100);
        frame.narrow((seen, kept) -> {
            kept.keep(10, 10);
            kept.keep(50, 10);
        });
        assertThat(frame.keptSourceOffset()).isEqualTo(50_010);
        frame.narrow((seen, kept) -> {
            assertThat(seen.size()).isEqualTo(20);
            kept.keep(5, 10);
            kept.keep(19, 1);
        });
        assertThat(slices()).containsExactly(List.of(15L, 5L), List.of(50L, 5L), List.of(59L, 1L));
        assertThat(frame.size()).isEqualTo(11);
        assertThat(frame.keptSourceOffset()).isEqualTo(50_015);
        assertThat(frame.endSourceOffset()).isEqualTo(50_100);
        assertThat(frame.sliceAddress(1)).isEqualTo(device.address() + 50);
    }

    @Test
    void neighboursBecomeOneSlice() throws Exception {
        lend(0, 100);
        frame.narrow((seen, kept) -> {
            kept.keep(0, 10);
            kept.keep(10, 0);
            kept.keep(10, 20);
            kept.keep(31, 1);
        });
        assertThat(slices()).containsExactly(List.of(0L, 30L), List.of(31L, 1L));
    }

    @Test
    void aFilterThatKeepsNothingLeavesAnEmptyFrame() throws Exception {
        lend(0, 100);
        frame.narrow((seen, kept) -> kept.keep(100, 0));
        assertThat(frame.size()).isZero();
        assertThat(frame.sliceCount()).isZero();
        assertThat(frame.keptSourceOffset()).isEqualTo(50_000);
        frame.narrow((seen, kept) -> kept.keep(0, seen.size()));
        assertThat(frame.size()).isZero();
    }

    /** Each filter as a list of booleans, a byte each, applied to a list of bytes. */
    @Test
    void anyChainOfTwoFiltersKeepsTheBytesThatAListWould() {
        RandomCases.run(3000, random -> {
            int bytes = random.nextInt(1, 300);
            lend(random.nextInt(DEVICE_BYTES - bytes + 1), bytes);
            List<Byte> expected = content();
            for (int filter = 0; filter < 2; filter++) {
                List<Byte> before = expected;
                List<Byte> after = new ArrayList<>();
                frame.narrow((seen, kept) -> {
                    assertThat(seen.size()).isEqualTo(before.size());
                    keepSome(random, before, kept, after);
                });
                expected = after;
                assertThat(frame.size()).isEqualTo(expected.size());
                assertThat(content()).isEqualTo(expected);
            }
        });
    }

    private static void keepSome(RandomGenerator random, List<Byte> seen, Kept kept, List<Byte> expected) {
        int most = random.nextInt(2, 60);
        for (int at = random.nextInt(most); at < seen.size(); at += random.nextInt(most)) {
            int length = Math.min(random.nextInt(most), seen.size() - at);
            kept.keep(at, length);
            expected.addAll(seen.subList(at, at + length));
            at += length;
        }
    }

    private void assertRefused(String message, LentFrame.Keeper keeper) {
        List<List<Long>> before = slices();
        assertThatThrownBy(() -> frame.narrow(keeper))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage(message);
        assertThat(slices()).as("the frame after a filter failed").isEqualTo(before);
    }

    @Test
    void aSliceOutsideTheFrameIsRefused() throws Exception {
        lend(0, 100);
        frame.narrow((seen, kept) -> kept.keep(20, 50));
        for (long[] slice : new long[][] {
            {-1, 1}, {0, 51}, {50, 1}, {51, 0}, {0, -1}, {49, Long.MAX_VALUE}, {Long.MAX_VALUE, 1}, {Long.MIN_VALUE, 0}
        }) {
            assertRefused(
                    "it kept the slice from " + slice[0] + " of length " + slice[1]
                            + ", which is outside the frame of 50 bytes",
                    (seen, kept) -> kept.keep(slice[0], slice[1]));
        }
    }

    @Test
    void aSliceThatOverlapsOrGoesBackwardsIsRefused() {
        lend(0, 100);
        for (long start : new long[] {0, 10, 14}) {
            assertRefused(
                    "it kept the slice from " + start
                            + " of length 5, which overlaps or precedes the one that ended at 15",
                    (seen, kept) -> {
                        kept.keep(10, 5);
                        kept.keep(start, 5);
                    });
        }
    }

    @Test
    void theFrameIsAsBeforeWhenTheFilterThrows() throws Exception {
        lend(0, 100);
        frame.narrow((seen, kept) -> kept.keep(10, 80));
        List<Byte> before = content();
        assertThatThrownBy(() -> frame.narrow((seen, kept) -> {
                    kept.keep(5, 5);
                    throw new InterruptedException("no");
                }))
                .isInstanceOf(InterruptedException.class);
        assertThat(content()).isEqualTo(before);
        frame.narrow((seen, kept) -> kept.keep(0, 1));
        assertThat(slices()).containsExactly(List.of(10L, 1L));
    }

    @Test
    void nothingIsKeptAfterTheFiltersCallReturned() throws Exception {
        lend(0, 100);
        List<Kept> escaped = new ArrayList<>();
        frame.narrow((seen, kept) -> {
            kept.keep(0, 10);
            escaped.add(kept);
        });
        assertThatThrownBy(() -> escaped.getFirst().keep(50, 10)).isInstanceOf(IllegalStateException.class);
        assertThat(slices()).containsExactly(List.of(0L, 10L));
    }

    @ParameterizedTest
    @CsvSource({"0, 16, true", "8, 8, true", "4, 8, false", "4, 12, false", "8, 12, false"})
    void slicesAreWholeWordsIfTheyBeginAndEndBetweenWords(long start, long length, boolean whole) throws Exception {
        lend(1, 100);
        frame.narrow((seen, kept) -> {
            kept.keep(start, length);
            kept.keep(64, 8);
        });
        assertThat(frame.sliceWholeWords()).isEqualTo(whole);
    }

    @ParameterizedTest
    @CsvSource({"8, false", "4, true"})
    void wordsAreThoseOfTheSourceAndNotOfTheFrame(long start, boolean whole) throws Exception {
        frame.lend(0, 100, 0, 0, 4, 0, 0);
        frame.narrow((seen, kept) -> kept.keep(start, 8));
        assertThat(frame.sliceWholeWords()).isEqualTo(whole);
    }

    @Test
    void lostBytesOfADroppedFrameAreAnnouncedWithTheNext() {
        lend(0, 100);
        frame.addLostBytes(8);
        assertThat(frame.lostBytes()).isEqualTo(24);
        lend(0, 100);
        assertThat(frame.lostBytes()).isEqualTo(16);
    }

    @Test
    void isHeldUntilItsHolderLetsGoAndOnlyOnce() {
        assertThat(frame.held()).isFalse();
        lend(0, 100);
        assertThat(frame.held()).isTrue();
        assertThat(frame.letGo()).isTrue();
        assertThat(frame.held()).isFalse();
        assertThatThrownBy(frame::letGo).hasMessage("buffer 3 is released twice");
    }
}
