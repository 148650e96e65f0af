// SPDX-License-Identifier: Apache-2.0
package dev.sluice.stream;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sluice.RandomCases;
import dev.sluice.device.FedDevice;
import dev.sluice.device.FrameBatch;
import dev.sluice.filter.Filter;
import dev.sluice.filter.Frame;
import dev.sluice.filter.Kept;
import dev.sluice.metrics.SourceCounters;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.random.RandomGenerator;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Frames, what filters leave of them, and that branches share their buffers. */
final class LentFrameTest {

    private static final int BUFFERS = 4;
    private static final int PAGE = 4096;

    private final SourceCounters counters = new SourceCounters();
    private FedDevice device;
    private FramePool pool;

    @BeforeEach
    void open() throws Exception {
        device = new FedDevice("fed", BUFFERS, PAGE);
        pool = new FramePool(device, counters);
        device.start();
    }

    @AfterEach
    void close() {
        device.close();
    }

    private LentFrame lend(int bytes) throws IOException {
        return lend(bytes, 0);
    }

    private LentFrame lend(int bytes, long lostBefore) throws IOException {
        byte[] content = new byte[bytes];
        for (int at = 0; at < bytes; at++) {
            content[at] = (byte) (at * 31 + at / 256);
        }
        assertThat(device.fill(MemorySegment.ofArray(content), lostBefore, 0)).isTrue();
        FrameBatch batch = new FrameBatch(1);
        device.acquire(batch);
        return pool.lend(batch, 0);
    }

    private void narrow(LentFrame frame, Filter filter) throws FilterException {
        FilterRunner runner = new FilterRunner("f", () -> filter, pool, PAGE);
        runner.accept(frame);
        assertThat(runner.next()).isSameAs(frame);
    }

    /** The bytes that the slices name, end to end. */
    private static List<Byte> content(Frame frame) {
        List<Byte> content = new ArrayList<>();
        for (int slice = 0; slice < frame.sliceCount(); slice++) {
            assertThat(frame.sliceLength(slice)).isPositive();
            for (long at = 0; at < frame.sliceLength(slice); at++) {
                content.add(frame.memory(slice).get(JAVA_BYTE, frame.sliceOffset(slice) + at));
            }
        }
        return content;
    }

    private static List<List<Long>> slices(Frame frame) {
        List<List<Long>> slices = new ArrayList<>();
        for (int slice = 0; slice < frame.sliceCount(); slice++) {
            slices.add(List.of(frame.sliceOffset(slice), frame.sliceLength(slice)));
        }
        return slices;
    }

    @Test
    void aLentFrameIsOneSliceOfItsBuffer() throws Exception {
        pool.release(lend(50, 0));
        LentFrame frame = lend(100, 16);
        assertThat(frame.buffer()).isEqualTo(1);
        assertThat(frame.size()).isEqualTo(100);
        assertThat(slices(frame)).containsExactly(List.of(0L, 100L));
        assertThat(frame.sequence()).isEqualTo(1);
        assertThat(frame.sourceOffset()).isEqualTo(66);
        assertThat(frame.keptSourceOffset()).isEqualTo(66);
        assertThat(frame.lostBytes()).isEqualTo(16);
        assertThat(frame.contiguous()).isTrue();
        assertThat(frame.emitted()).isFalse();
        assertThat(frame.memory(0).mismatch(device.memory().asSlice(PAGE, 100))).isEqualTo(-1);
        assertThat(frame.sliceAddress(0)).isEqualTo(device.memory().address() + PAGE);
    }

    @Test
    void aFilterCannotWriteToTheBuffer() throws Exception {
        assertThat(lend(100).memory(0).isReadOnly()).isTrue();
    }

    @Test
    void theMemoryIsThatOfTheFrameLentNow() throws Exception {
        for (int bytes : new int[] {100, 50, 50, 4096, 100, 7}) {
            LentFrame frame = lend(bytes);
            assertThat(frame.memory(0).byteSize()).isEqualTo(bytes);
            assertThat(frame.memory(0).address()).isEqualTo(frame.sliceAddress(0));
            frame.release();
            pool.flush();
        }
    }

    @Test
    void slicesOfASecondFilterAreSlicesOfWhatTheFirstKept() throws Exception {
        LentFrame frame = lend(100);
        narrow(frame, (seen, kept) -> {
            kept.keep(10, 10);
            kept.keep(50, 10);
        });
        assertThat(frame.keptSourceOffset()).isEqualTo(10);
        assertThat(frame.contiguous()).isFalse();
        narrow(frame, (seen, kept) -> {
            assertThat(seen.size()).isEqualTo(20);
            kept.keep(5, 10);
            kept.keep(19, 1);
        });
        assertThat(slices(frame)).containsExactly(List.of(15L, 5L), List.of(50L, 5L), List.of(59L, 1L));
        assertThat(frame.size()).isEqualTo(11);
        assertThat(frame.keptSourceOffset()).isEqualTo(15);
        assertThat(frame.sliceAddress(1)).isEqualTo(device.memory().address() + 50);
    }

    @Test
    void neighboursBecomeOneSlice() throws Exception {
        LentFrame frame = lend(100);
        narrow(frame, (seen, kept) -> {
            kept.keep(0, 10);
            kept.keep(10, 0);
            kept.keep(10, 20);
            kept.keep(31, 1);
        });
        assertThat(slices(frame)).containsExactly(List.of(0L, 30L), List.of(31L, 1L));
    }

    /** Each filter as a list of booleans, a byte each, applied to a list of bytes. */
    @Test
    void anyChainOfTwoFiltersKeepsTheBytesThatAListWould() {
        RandomCases.run(2000, random -> {
            LentFrame frame = lend(random.nextInt(1, 300));
            List<Byte> expected = content(frame);
            for (int filter = 0; filter < 2; filter++) {
                List<Byte> before = expected;
                List<Byte> after = new ArrayList<>();
                narrow(frame, (seen, kept) -> {
                    assertThat(seen.size()).isEqualTo(before.size());
                    kept.keep(0, 1);
                    after.add(before.getFirst());
                    keepSome(random, before, kept, after);
                });
                expected = after;
                assertThat(frame.size()).isEqualTo(expected.size());
                assertThat(content(frame)).isEqualTo(expected);
            }
            frame.release();
            pool.flush();
        });
    }

    private static void keepSome(RandomGenerator random, List<Byte> seen, Kept kept, List<Byte> expected) {
        int most = random.nextInt(2, 60);
        for (int at = random.nextInt(1, most); at < seen.size(); at += random.nextInt(most)) {
            int length = Math.min(random.nextInt(most), seen.size() - at);
            kept.keep(at, length);
            expected.addAll(seen.subList(at, at + length));
            at += length;
        }
    }

    private void assertRefused(LentFrame frame, String message, Filter filter) throws FilterException {
        FilterRunner runner = new FilterRunner("f", () -> filter, pool, PAGE);
        assertThatThrownBy(() -> runner.accept(frame))
                .isInstanceOf(FilterException.class)
                .hasMessage("filter f failed: " + message);
    }

    @Test
    void aSliceOutsideTheFrameIsRefused() throws Exception {
        LentFrame frame = lend(100);
        narrow(frame, (seen, kept) -> kept.keep(20, 50));
        for (long[] slice : new long[][] {
            {-1, 1}, {0, 51}, {50, 1}, {51, 0}, {0, -1}, {49, Long.MAX_VALUE}, {Long.MAX_VALUE, 1}, {Long.MIN_VALUE, 0}
        }) {
            assertRefused(
                    frame,
                    "it kept the slice from " + slice[0] + " of length " + slice[1]
                            + ", which is outside the frame of 50 bytes",
                    (seen, kept) -> kept.keep(slice[0], slice[1]));
        }
    }

    @Test
    void aSliceThatOverlapsOrGoesBackwardsIsRefused() throws Exception {
        for (long start : new long[] {0, 10, 14}) {
            LentFrame frame = lend(100);
            assertRefused(
                    frame,
                    "it kept the slice from " + start
                            + " of length 5, which overlaps or precedes the one that ended at 15",
                    (seen, kept) -> {
                        kept.keep(10, 5);
                        kept.keep(start, 5);
                    });
            frame.release();
        }
    }

    @ParameterizedTest
    @CsvSource({"0, 16, true", "8, 8, true", "4, 8, false", "4, 12, false", "8, 12, false"})
    void slicesAreWholeWordsIfTheyBeginAndEndBetweenWords(long start, long length, boolean whole) throws Exception {
        LentFrame frame = lend(100);
        narrow(frame, (seen, kept) -> {
            kept.keep(start, length);
            kept.keep(64, 8);
        });
        assertThat(frame.wholeWords()).isEqualTo(whole);
    }

    @ParameterizedTest
    @CsvSource({"8, false", "4, true"})
    void wordsAreThoseOfTheSourceAndNotOfTheFrame(long start, boolean whole) throws Exception {
        LentFrame frame = lend(100, 4);
        narrow(frame, (seen, kept) -> kept.keep(start, 8));
        assertThat(frame.wholeWords()).isEqualTo(whole);
    }

    @Test
    void whatABranchKeepsIsItsOwnAndTheBufferGoesBackAfterTheLast() throws Exception {
        LentFrame frame = lend(100, 8);
        frame.tag(3);
        LentFrame other = pool.branch()[frame.buffer()];
        other.share(frame);
        narrow(frame, (seen, kept) -> kept.keep(0, 10));
        narrow(other, (seen, kept) -> {
            kept.keep(5, 10);
            kept.tag(0);
        });
        assertThat(slices(frame)).containsExactly(List.of(0L, 10L));
        assertThat(slices(other)).containsExactly(List.of(5L, 10L));
        assertThat(other.lostBytes()).isEqualTo(8);
        assertThat(frame.tags()).isEqualTo(8);
        assertThat(other.tags()).isEqualTo(9);

        frame.release();
        pool.flush();
        assertThat(device.counts().lent()).isEqualTo(1);
        other.release();
        pool.flush();
        assertThat(device.counts().lent()).isZero();
        assertThatThrownBy(other::release).hasMessage("buffer 0 is released twice");
        assertThatThrownBy(() -> other.share(frame)).hasMessage("buffer 0 is shared after it was released");
    }

    @Test
    void aFrameWithBytesOfAFiltersOwnSaysSo() throws Exception {
        LentFrame frame = lend(100, 4);
        FilterRunner runner = new FilterRunner("f", Emitting::new, pool, PAGE);
        runner.accept(frame);
        runner.next();
        assertThat(frame.emitted()).isTrue();
        assertThat(frame.contiguous()).isFalse();
        assertThat(frame.wholeWords()).isFalse();
        assertThat(frame.keptSourceOffset()).isEqualTo(4);
        assertThat(content(frame)).startsWith((byte) 42, (byte) (8 * 31)).hasSize(9);
        runner.close();
    }

    private static final class Emitting implements Filter {
        @Override
        public long scratchBytes(long mostFrameBytes) {
            return 1;
        }

        @Override
        public void filter(Frame frame, Kept kept) {
            kept.scratch().set(JAVA_BYTE, 0, (byte) 42);
            kept.emit(1);
            kept.keep(8, 8);
        }
    }

    @Test
    void lostBytesOfADroppedFrameAreAnnouncedWithTheNext() throws Exception {
        LentFrame frame = lend(100, 16);
        frame.addLostBytes(8);
        assertThat(frame.lostBytes()).isEqualTo(24);
    }
}
