// SPDX-License-Identifier: Apache-2.0
package dev.sluice.stream;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sluice.device.FedDevice;
import dev.sluice.device.FrameBatch;
import dev.sluice.filter.Filter;
import dev.sluice.filter.Frame;
import dev.sluice.filter.Kept;
import dev.sluice.metrics.SourceCounters;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

final class FilterRunnerTest {

    private static final int BUFFERS = 16;
    private static final int BUFFER_BYTES = 4096;

    private final FedDevice device;
    private final FramePool pool;
    private final FrameBatch batch = new FrameBatch(1);
    private final List<AutoCloseable> runners = new ArrayList<>();
    private int fed;

    /** What a filter does with a frame, in a test. */
    @FunctionalInterface
    private interface Step {
        void filter(Frame frame, Kept kept) throws Exception;
    }

    FilterRunnerTest() throws IOException {
        device = new FedDevice("fed", BUFFERS, BUFFER_BYTES);
        device.start();
        pool = new FramePool(device, new SourceCounters());
    }

    @AfterEach
    void close() throws Exception {
        for (AutoCloseable runner : runners) {
            runner.close();
        }
        device.close();
    }

    private FilterRunner runner(Filter filter) throws FilterException {
        FilterRunner runner = new FilterRunner("tested", () -> filter, pool, BUFFER_BYTES);
        runners.add(runner);
        return runner;
    }

    private FilterRunner runner(long lookbackBytes, long scratchBytes, Step step) throws FilterException {
        return runner(new Filter() {
            @Override
            public void filter(Frame frame, Kept kept) throws Exception {
                step.filter(frame, kept);
            }

            @Override
            public long lookbackBytes() {
                return lookbackBytes;
            }

            @Override
            public long scratchBytes(long mostFrameBytes) {
                return scratchBytes;
            }
        });
    }

    /** A frame of bytes that count on from frame to frame. */
    private LentFrame frame(int bytes, long lostBytes) throws IOException {
        byte[] content = new byte[bytes];
        for (int i = 0; i < bytes; i++) {
            content[i] = (byte) fed++;
        }
        assertThat(device.fill(MemorySegment.ofArray(content), lostBytes, 0)).isTrue();
        assertThat(device.acquire(batch)).isEqualTo(1);
        return pool.lend(batch, 0);
    }

    private static List<Integer> content(LentFrame frame) {
        List<Integer> content = new ArrayList<>();
        for (int i = 0; i < frame.sliceCount(); i++) {
            MemorySegment slice = frame.memory(i).asSlice(frame.sliceOffset(i), frame.sliceLength(i));
            for (byte value : slice.toArray(ValueLayout.JAVA_BYTE)) {
                content.add((int) value);
            }
        }
        return content;
    }

    /** What goes on after one more frame of so many bytes; released at once. */
    private List<List<Integer>> feed(FilterRunner runner, int bytes) throws IOException, FilterException {
        runner.accept(frame(bytes, 0));
        return taken(runner);
    }

    private List<List<Integer>> taken(FilterRunner runner) throws IOException {
        List<List<Integer>> taken = new ArrayList<>();
        for (LentFrame frame = runner.next(); frame != null; frame = runner.next()) {
            taken.add(content(frame));
            frame.release();
        }
        pool.flush();
        return taken;
    }

    private static List<Integer> bytes(int from, int to) {
        return IntStream.range(from, to).boxed().toList();
    }

    private void assertNoBufferIsMissing() throws IOException {
        pool.flush();
        assertThat(device.counts().lent()).isZero();
    }

    /** Calls in turn, one for each frame. */
    private static Step inTurn(Step... steps) {
        int[] next = {0};
        return (frame, kept) -> steps[next[0]++].filter(frame, kept);
    }

    private static final Step NOTHING = (frame, kept) -> {};

    @Test
    void aFrameWaitsUntilWhatFollowsIsAsLongAsTheLookback() throws Exception {
        FilterRunner runner = runner(5, 0, inTurn((frame, kept) -> kept.keep(0, 2), NOTHING, NOTHING, NOTHING));
        assertThat(feed(runner, 4)).isEmpty();
        assertThat(feed(runner, 4)).isEmpty();
        assertThat(feed(runner, 1)).containsExactly(bytes(0, 2));
        assertThat(runner.cutFrames()).isZero();
    }

    @Test
    void aSliceMayBeginInEarlierFrames() throws Exception {
        FilterRunner runner = runner(
                6, 0, inTurn(NOTHING, (frame, kept) -> kept.keep(1, 1), (frame, kept) -> kept.keep(-2, 3), NOTHING));
        assertThat(feed(runner, 4)).isEmpty();
        assertThat(feed(runner, 4))
                .as("the first is dropped, since something behind it is kept")
                .isEmpty();
        assertThat(feed(runner, 4)).containsExactly(List.of(5, 6, 7));
        assertThat(feed(runner, 5)).isEmpty();
        runner.finish();
        assertThat(taken(runner)).containsExactly(bytes(8, 9));
    }

    @Test
    void aFrameThatIsKeptToItsEndGoesOnAtOnce() throws Exception {
        FilterRunner runner =
                runner(100, 0, inTurn((frame, kept) -> kept.keep(0, 4), NOTHING, (frame, kept) -> kept.keep(1, 3)));
        assertThat(feed(runner, 4)).containsExactly(bytes(0, 4));
        assertThat(feed(runner, 4)).isEmpty();
        assertThat(feed(runner, 4)).containsExactly(bytes(9, 12));
        assertNoBufferIsMissing();
    }

    @Test
    void aSliceOfNoBytesSaysThatNothingBeforeItWillBeKept() throws Exception {
        FilterRunner runner =
                runner(100, 0, inTurn(NOTHING, (frame, kept) -> kept.keep(0, 0), (frame, kept) -> kept.keep(-4, 8)));
        assertThat(feed(runner, 4)).isEmpty();
        assertThat(feed(runner, 4)).isEmpty();
        assertThat(device.counts().lent()).as("only the second waits").isEqualTo(1);
        assertThat(feed(runner, 4)).containsExactly(bytes(4, 8), bytes(8, 12));
    }

    @Test
    void aSliceThatReachesBackBeforeTheStreamIsCutAtItsStart() throws Exception {
        FilterRunner runner =
                runner(100, 0, inTurn((frame, kept) -> kept.keep(-100, 101), (frame, kept) -> kept.keep(-3, 7)));
        assertThat(feed(runner, 4)).isEmpty();
        assertThat(feed(runner, 4)).containsExactly(bytes(0, 4), bytes(4, 8));
    }

    @Test
    void noMoreFramesWaitThanAQuarterOfTheBuffers() throws Exception {
        FilterRunner runner = runner(1000, 0, (frame, kept) -> {
            if (frame.sequence() == 6) {
                kept.keep(-24, 28);
            }
        });
        for (int i = 0; i < 4; i++) {
            assertThat(feed(runner, 4)).isEmpty();
        }
        assertThat(device.counts().lent()).isEqualTo(4);
        feed(runner, 4);
        feed(runner, 4);
        assertThat(device.counts().lent()).isEqualTo(4);
        assertThat(runner.cutFrames()).isEqualTo(2);
        assertThat(feed(runner, 4))
                .as("the first two are gone, and the rest is kept")
                .containsExactly(bytes(8, 12), bytes(12, 16), bytes(16, 20), bytes(20, 24), bytes(24, 28));
        assertThat(runner.cutFrames()).isEqualTo(2);
        assertNoBufferIsMissing();
    }

    @Test
    void whatWaitsAtTheEndGoesOnAsFarAsItWasKept() throws Exception {
        FilterRunner runner = runner(100, 0, inTurn((frame, kept) -> kept.keep(1, 1), NOTHING));
        assertThat(feed(runner, 4)).isEmpty();
        assertThat(feed(runner, 4)).isEmpty();
        runner.finish();
        assertThat(taken(runner)).containsExactly(bytes(1, 2));
        assertNoBufferIsMissing();
    }

    private void assertRefused(FilterRunner runner, String message) throws IOException {
        assertThatThrownBy(() -> runner.accept(frame(4, 0)))
                .isInstanceOf(FilterException.class)
                .hasMessageContaining("tested")
                .hasMessageContaining(message);
        runner.releaseAll();
        assertNoBufferIsMissing();
    }

    @ParameterizedTest
    @CsvSource({"-7, 1", "-9223372036854775808, 0", "0, 5", "4, 1", "5, 0", "-1, 6", "0, -1", "1, 9223372036854775807"})
    void aSliceOutsideTheFrameAndTheLookbackIsRefused(long offset, long length) throws Exception {
        FilterRunner runner = runner(6, 0, inTurn(NOTHING, NOTHING, (frame, kept) -> kept.keep(offset, length)));
        feed(runner, 4);
        feed(runner, 4);
        assertRefused(
                runner,
                "it kept the slice from " + offset + " of length " + length
                        + ", which is outside the frame of 4 bytes and the 6 before it");
    }

    @Test
    void aSliceThatOverlapsOneOfAnEarlierFrameIsRefused() throws Exception {
        FilterRunner runner = runner(6, 0, inTurn((frame, kept) -> kept.keep(0, 3), (frame, kept) -> kept.keep(-2, 1)));
        feed(runner, 4);
        assertRefused(
                runner, "it kept the slice from -2 of length 1, which overlaps or precedes the one that ended at -1");
    }

    @Test
    void nothingBeforeAFrameIsKeptAfterBytesOfTheFiltersOwn() throws Exception {
        FilterRunner runner = runner(6, 8, inTurn(NOTHING, (frame, kept) -> {
            kept.emit(1);
            kept.keep(-1, 1);
        }));
        feed(runner, 4);
        assertRefused(
                runner, "it kept the slice from -1 of length 1, which overlaps or precedes the one that ended at 0");
    }

    @Test
    void slicesAndBytesOfTheFiltersOwnGoOnInTheOrderInWhichTheyAreNamed() throws Exception {
        FilterRunner runner = runner(0, 8, (frame, kept) -> {
            MemorySegment own = kept.scratch();
            assertThat(own.byteSize()).isEqualTo(8);
            own.copyFrom(MemorySegment.ofArray(new byte[] {100, 101, 102, 103}));
            kept.emit(1);
            kept.keep(0, 2);
            kept.emit(2);
            kept.emit(1);
            kept.keep(3, 1);
        });
        runner.accept(frame(4, 0));
        LentFrame next = runner.next();
        assertThat(content(next)).containsExactly(100, 0, 1, 101, 102, 103, 3);
        assertThat(next.sliceCount()).isEqualTo(4);
        assertThat(next.memory(0).isReadOnly()).isTrue();
        assertThat(next.emitted()).isTrue();
        next.release();
    }

    @Test
    void scratchMemoryBelongsToTheBuffer() throws Exception {
        FilterRunner runner = runner(0, 8, (frame, kept) -> {
            kept.scratch().set(ValueLayout.JAVA_BYTE, 0, (byte) frame.sequence());
            kept.emit(1);
        });
        List<LentFrame> frames = new ArrayList<>();
        for (int i = 0; i < BUFFERS; i++) {
            runner.accept(frame(1, 0));
            frames.add(runner.next());
        }
        for (int i = 0; i < BUFFERS; i++) {
            assertThat(content(frames.get(i))).containsExactly(i);
            frames.get(i).release();
        }
    }

    @Test
    void anotherFilterSeesWhatTheFirstEmitted() throws Exception {
        FilterRunner first = runner(0, 4, (frame, kept) -> {
            kept.scratch().set(ValueLayout.JAVA_BYTE, 0, (byte) 77);
            kept.keep(3, 1);
            kept.emit(1);
        });
        FilterRunner second = new FilterRunner(
                "second",
                () -> (frame, kept) -> {
                    assertThat(frame.size()).isEqualTo(2);
                    assertThat(frame.memory(1).get(ValueLayout.JAVA_BYTE, frame.sliceOffset(1)))
                            .isEqualTo((byte) 77);
                    kept.keep(1, 1);
                },
                pool,
                first.mostFrameBytes());
        runners.add(second);
        assertThat(first.mostFrameBytes()).isEqualTo(BUFFER_BYTES + 4);
        first.accept(frame(4, 0));
        second.accept(first.next());
        assertThat(taken(second)).containsExactly(List.of(77));
    }

    @Test
    void aFrameWithBytesOfTheFiltersOwnWaitsToo() throws Exception {
        FilterRunner runner = runner(
                4,
                4,
                inTurn(
                        (frame, kept) -> {
                            kept.scratch().set(ValueLayout.JAVA_BYTE, 0, (byte) 77);
                            kept.emit(1);
                        },
                        (frame, kept) -> kept.keep(-1, 2)));
        assertThat(feed(runner, 4)).isEmpty();
        assertThat(feed(runner, 4)).containsExactly(List.of(77, 3));
    }

    @ParameterizedTest
    @CsvSource({"9, 0", "-1, 0", "5, 3"})
    void moreThanTheScratchMemoryHoldsIsNotEmitted(long length, long before) throws Exception {
        FilterRunner runner = runner(0, before > 0 ? 7 : 8, (frame, kept) -> {
            kept.emit(before);
            kept.emit(length);
        });
        assertRefused(runner, "it emitted " + length + " bytes after " + before + ", but its scratchBytes is ");
    }

    @Test
    void aFilterWithoutScratchMemoryGetsNone() throws Exception {
        assertRefused(
                runner(0, 0, (frame, kept) -> kept.scratch()),
                "it asked for scratch memory, but its scratchBytes is 0");
        assertRefused(
                runner(0, 0, (frame, kept) -> kept.emit(1)), "it emitted 1 bytes after 0, but its scratchBytes is 0");
    }

    @Test
    void flagsAreThoseOfTheFrame() throws Exception {
        FilterRunner runner = runner(
                4,
                0,
                inTurn(
                        (frame, kept) -> kept.tag(0),
                        (frame, kept) -> {
                            kept.tag(7);
                            kept.keep(-4, 8);
                        },
                        (frame, kept) -> kept.keep(0, 4)));
        for (int i = 0; i < 3; i++) {
            runner.accept(frame(4, 0));
        }
        List<Integer> tags = new ArrayList<>();
        for (LentFrame frame = runner.next(); frame != null; frame = runner.next()) {
            tags.add(frame.tags());
            frame.release();
        }
        assertThat(tags).containsExactly(1, 128, 0);
    }

    @Test
    void thereAreEightFlags() throws Exception {
        assertRefused(runner(0, 0, (frame, kept) -> kept.tag(8)), "it set flag 8; there are flags 0 to 7");
        assertRefused(runner(0, 0, (frame, kept) -> kept.tag(-1)), "it set flag -1; there are flags 0 to 7");
    }

    @Test
    void keptIsOfNoUseAfterTheCall() throws Exception {
        List<Kept> escaped = new ArrayList<>();
        FilterRunner runner = runner(0, 8, (frame, kept) -> {
            escaped.add(kept);
            kept.keep(0, 1);
        });
        runner.accept(frame(4, 0));
        Kept kept = escaped.getFirst();
        String message = "it used a Kept after the call that this was for";
        assertThatThrownBy(() -> kept.keep(2, 1)).hasMessage(message);
        assertThatThrownBy(() -> kept.emit(1)).hasMessage(message);
        assertThatThrownBy(kept::scratch).hasMessage(message);
        assertThatThrownBy(() -> kept.tag(1)).hasMessage(message);
        assertThat(taken(runner)).containsExactly(bytes(0, 1));
    }

    @Test
    void whatWasLostBeforeADroppedFrameIsAnnouncedWithTheNextThatGoesOn() throws Exception {
        FilterRunner runner = runner(0, 0, (frame, kept) -> {
            assertThat(frame.lostBytes()).as("the filter sees each gap once").isEqualTo(1L << frame.sequence());
            if (frame.sequence() % 3 == 2) {
                kept.keep(0, 1);
            }
        });
        List<Long> lost = new ArrayList<>();
        for (int i = 0; i < 6; i++) {
            runner.accept(frame(4, 1L << i));
            for (LentFrame frame = runner.next(); frame != null; frame = runner.next()) {
                lost.add(frame.lostBytes());
                frame.release();
            }
        }
        assertThat(lost).containsExactly(7L, 56L);
        assertNoBufferIsMissing();
    }

    @Test
    void whatIsLostIsAnnouncedInOrderThoughFramesWait() throws Exception {
        FilterRunner runner =
                runner(100, 0, inTurn((frame, kept) -> kept.keep(0, 1), NOTHING, (frame, kept) -> kept.keep(0, 1)));
        runner.accept(frame(4, 1));
        runner.accept(frame(4, 2));
        runner.accept(frame(4, 4));
        runner.finish();
        List<Long> lost = new ArrayList<>();
        for (LentFrame frame = runner.next(); frame != null; frame = runner.next()) {
            lost.add(frame.lostBytes());
            frame.release();
        }
        assertThat(lost).containsExactly(1L, 6L);
    }

    @Test
    void aFilterThatThrowsLosesNoBuffer() throws Exception {
        FilterRunner runner = runner(4, 0, (frame, kept) -> {
            if (frame.sequence() == 2) {
                throw new StackOverflowError("too deep");
            }
            kept.keep(0, 2);
        });
        runner.accept(frame(4, 0));
        runner.accept(frame(4, 0));
        assertThat(runner.hasNext()).as("one has gone on, one waits").isTrue();
        assertRefused(runner, "too deep");
        assertThat(runner.next()).isNull();
    }

    @Test
    void aNegativeLookbackOrScratchIsRefused() {
        assertThatThrownBy(() -> runner(-1, 0, NOTHING))
                .isInstanceOf(FilterException.class)
                .hasMessageContaining("its lookbackBytes (-1) or scratchBytes (0) is negative");
        assertThatThrownBy(() -> runner(0, -1, NOTHING))
                .hasMessageContaining("its lookbackBytes (0) or scratchBytes (-1) is negative");
    }

    @Test
    void moreScratchMemoryThanThereIsIsRefused() {
        assertThatThrownBy(() -> runner(0, Long.MAX_VALUE, NOTHING))
                .isInstanceOf(FilterException.class)
                .hasMessageContaining("tested");
    }

    @Test
    void theLongestLookbackIsAllThatTheRingCanSpare() throws Exception {
        FilterRunner runner = runner(Long.MAX_VALUE, 0, inTurn(NOTHING, (frame, kept) -> kept.keep(-4, 8)));
        assertThat(feed(runner, 4)).isEmpty();
        assertThat(feed(runner, 4)).containsExactly(bytes(0, 4), bytes(4, 8));
    }

    @Test
    void aFilterThatCannotBeClosedLeavesNoScratchMemoryMapped() throws Exception {
        FilterRunner runner = new FilterRunner(
                "hard-to-close",
                () -> new Filter() {
                    @Override
                    public void filter(Frame frame, Kept kept) {}

                    @Override
                    public long scratchBytes(long mostFrameBytes) {
                        return 8;
                    }

                    @Override
                    public void close() {
                        throw new IllegalStateException("not today");
                    }
                },
                pool,
                BUFFER_BYTES);
        Path maps = Path.of("/proc/self/maps");
        assertThat(Files.readString(maps)).contains("hard-to-close");
        assertThatThrownBy(runner::close).hasMessage("not today");
        assertThat(Files.readString(maps)).doesNotContain("hard-to-close");
    }

    @Test
    void aFilterThatCannotBeMadeIsClosedAndNamed() {
        assertThatThrownBy(() -> new FilterRunner("tested", () -> null, pool, BUFFER_BYTES))
                .isInstanceOf(FilterException.class)
                .hasMessageContaining("its factory made no filter, but null");
        boolean[] closed = {false};
        assertThatThrownBy(() -> runner(new Filter() {
                    @Override
                    public void filter(Frame frame, Kept kept) {}

                    @Override
                    public long lookbackBytes() {
                        throw new IllegalStateException("not today");
                    }

                    @Override
                    public void close() {
                        closed[0] = true;
                    }
                }))
                .isInstanceOf(FilterException.class)
                .hasMessageContaining("not today");
        assertThat(closed[0]).isTrue();
    }
}
