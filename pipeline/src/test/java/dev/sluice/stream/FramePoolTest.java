// SPDX-License-Identifier: Apache-2.0
package dev.sluice.stream;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sluice.device.BufferDevice;
import dev.sluice.device.FrameBatch;
import dev.sluice.device.ReplayDevice;
import dev.sluice.device.SimulatedDevice;
import dev.sluice.linux.Constants;
import dev.sluice.linux.LinuxException;
import dev.sluice.linux.Loopback;
import dev.sluice.metrics.SourceCounters;
import java.io.IOException;
import java.lang.reflect.Proxy;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class FramePoolTest {

    private static final int BUFFERS = 4;
    private static final long FRAME_BYTES = 10;
    private static final int FILE_BYTES = 75;
    private static final long FIRST_POSITION = 4711;
    private static final long FIRST_SEQUENCE = 47;

    @TempDir
    private Path folder;

    private final SourceCounters counters = new SourceCounters();
    private BufferDevice device;
    private FramePool pool;

    @BeforeEach
    void open() throws IOException {
        Path file = Files.write(folder.resolve("file"), new byte[FILE_BYTES]);
        device = new ReplayDevice("file", new ReplayDevice.Settings(file, FRAME_BYTES, BUFFERS, false));
        device.start();
        pool = new FramePool(device, counters);
    }

    @AfterEach
    void close() {
        device.close();
    }

    private List<LentFrame> acquire(int count) throws IOException {
        FrameBatch batch = new FrameBatch(count);
        assertThat(device.acquire(batch)).isEqualTo(count);
        List<LentFrame> frames = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            frames.add(pool.lend(batch, i));
        }
        return frames;
    }

    private int lent() {
        return device.counts().lent();
    }

    @Test
    void aFrameIsAlwaysTheSameObjectForItsBuffer() throws Exception {
        assertThat(pool.size()).isEqualTo(BUFFERS);
        LentFrame frame = acquire(1).getFirst();
        assertThat(frame.size()).isEqualTo(FRAME_BYTES);
        frame.release();
        pool.flush();
        acquire(BUFFERS - 1).forEach(LentFrame::release);
        pool.flush();
        assertThat(acquire(1).getFirst()).isSameAs(frame);
    }

    @Test
    void countsWhatIsAcquiredAndWhereTheSourceIs() throws Exception {
        List<LentFrame> frames = acquire(3);
        assertThat(pool.sourcePosition()).isEqualTo(3 * FRAME_BYTES);
        assertThat(pool.nextSequence()).isEqualTo(3);
        assertThat(pool.lostBytes()).isZero();
        assertThat(counters.frames.value()).isEqualTo(3);
        assertThat(counters.acquired.value()).isEqualTo(3 * FRAME_BYTES);
        assertThat(frames.get(2).sourceOffset()).isEqualTo(2 * FRAME_BYTES);
    }

    @Test
    void releasesReachTheDeviceWithTheFlush() throws Exception {
        List<LentFrame> frames = acquire(3);
        pool.release(frames.get(2));
        pool.release(frames.get(0));
        assertThat(lent()).isEqualTo(3);
        pool.flush();
        assertThat(lent()).isEqualTo(1);
        pool.flush();
        assertThat(lent()).isEqualTo(1);
    }

    @Test
    void aBufferReleasedTwiceIsRefusedAndGivenBackOnce() throws Exception {
        LentFrame frame = acquire(1).getFirst();
        pool.release(frame);
        assertThatThrownBy(() -> pool.release(frame)).hasMessage("buffer 0 is released twice");
        pool.flush();
        assertThatThrownBy(() -> pool.release(frame)).isInstanceOf(IllegalStateException.class);
        assertThat(lent()).isZero();
    }

    @Test
    void aReleasedBufferComesBackWithAnotherFrame() throws Exception {
        for (int sequence = 0; sequence < 7; sequence++) {
            LentFrame frame = acquire(1).getFirst();
            assertThat(frame.sequence()).isEqualTo(sequence);
            assertThat(frame.sourceOffset()).isEqualTo(sequence * FRAME_BYTES);
            pool.release(frame);
            pool.flush();
        }
    }

    @Test
    void reclaimGivesBackWhatAnyoneStillHeldAndSaysHowMuch() throws Exception {
        List<LentFrame> frames = acquire(BUFFERS);
        pool.release(frames.get(1));
        assertThat(pool.reclaim()).isEqualTo(BUFFERS - 1);
        assertThat(lent()).isZero();
        assertThat(pool.reclaim()).isZero();
    }

    @Test
    void reclaimLeavesOutWhatTheKernelHolds() throws Exception {
        LentFrame kept = acquire(BUFFERS).get(2);
        pool.keepFromDevice(kept);
        pool.keepFromDevice(kept);
        assertThat(counters.stuckBuffers.value()).isEqualTo(1);
        assertThat(pool.reclaim()).isEqualTo(BUFFERS - 1);
        assertThat(lent()).isEqualTo(1);
    }

    @Test
    void whatIsHeldAtTheEndStaysLentIfTheNextProcessIsToHaveIt() throws Exception {
        List<LentFrame> frames = acquire(BUFFERS);
        frames.get(1).release();
        assertThat(pool.leave()).as("of a device that ends with this process").isEqualTo(BUFFERS - 1);
        assertThat(lent()).isZero();

        pool = new FramePool(outliving(device), counters);
        frames = acquire(BUFFERS);
        assertThat(frames.getFirst().sourceOffset())
                .as("an earlier process had what was before")
                .isEqualTo(BUFFERS * FRAME_BYTES);
        frames.get(1).release();
        pool.keepFromDevice(frames.get(2));
        assertThat(pool.leave()).isEqualTo(BUFFERS - 2);
        assertThat(lent()).isEqualTo(BUFFERS - 1);
    }

    @Test
    void goesOnWhereAnEarlierProcessEnded() throws Exception {
        assertThat(pool.sourcePosition()).isZero();
        assertThat(pool.nextSequence()).isZero();
        pool = new FramePool(outliving(device), counters);
        assertThat(pool.sourcePosition()).isEqualTo(FIRST_POSITION);
        assertThat(pool.nextSequence()).isEqualTo(FIRST_SEQUENCE);
    }

    /** The device as it is when an earlier process had what was before. */
    private static BufferDevice outliving(BufferDevice device) {
        return (BufferDevice) Proxy.newProxyInstance(
                BufferDevice.class.getClassLoader(),
                new Class<?>[] {BufferDevice.class},
                (proxy, method, arguments) -> switch (method.getName()) {
                    case "outlivesProcess" -> true;
                    case "firstPosition" -> FIRST_POSITION;
                    case "firstSequence" -> FIRST_SEQUENCE;
                    default -> method.invoke(device, arguments);
                });
    }

    @Test
    void aReleaseThatTheDeviceRefusesIsAnError() throws Exception {
        LentFrame frame = acquire(1).getFirst();
        device.release(new int[] {frame.buffer()}, 1);
        pool.release(frame);
        assertThatThrownBy(pool::flush).isInstanceOf(LinuxException.class).hasMessageContaining("is not lent");
    }

    @Test
    void theTimeABufferWasHeldIsRecorded() throws Exception {
        assertThat(counters.holdTimes.percentileMillis(100)).isZero();
        pool.release(acquire(1).getFirst());
        assertThat(counters.holdTimes.percentileMillis(100)).isPositive();
    }

    /** A device that fills faster than anybody reads, so that bytes are lost before the frames after the first four. */
    @Test
    void lostBytesMoveTheSourcePosition() throws Exception {
        SimulatedDevice.Settings tooFast =
                new SimulatedDevice.Settings(8, BUFFERS, 1_000_000_000, BUFFERS + 1, 0, 1, false);
        try (SimulatedDevice lossy = new SimulatedDevice("sim", tooFast)) {
            FramePool lossyPool = new FramePool(lossy, counters);
            lossy.start();
            while (lossy.counts().lostBytes() == 0) {
                Thread.onSpinWait();
            }
            FrameBatch batch = new FrameBatch(1);
            long lastOffset = 0;
            for (int frames = 0; frames < BUFFERS + 1; frames++) {
                while (lossy.acquire(batch) == 0) {
                    Loopback.await(lossy.readyFd(), Constants.POLLIN);
                }
                LentFrame frame = lossyPool.lend(batch, 0);
                lastOffset = frame.sourceOffset();
                frame.release();
                lossyPool.flush();
            }
            long lost = lossy.counts().lostBytes();
            assertThat(lossyPool.lostBytes()).isEqualTo(lost).isPositive();
            assertThat(new SinkStream(lossyPool, 0).unannouncedBytes())
                    .as("what a sink that comes later has to announce")
                    .isZero();
            assertThat(lossyPool.sourcePosition()).isEqualTo(lost + (BUFFERS + 1) * 8);
            assertThat(lastOffset).isEqualTo(lossyPool.sourcePosition() - 8);
        }
    }
}
