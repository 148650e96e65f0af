// SPDX-License-Identifier: Apache-2.0
package dev.sluice.device;

import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sluice.linux.Constants;
import dev.sluice.linux.Libc;
import dev.sluice.linux.LinuxException;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;
import java.util.List;
import org.junit.jupiter.api.Test;

final class SimulatedDeviceTest {

    private static final long BUFFER_BYTES = 8192;
    private static final int BUFFERS = 4;
    private static final double ALL = 1;
    private static final double NONE = 0;
    private static final long UNPACED = 0;
    private static final long FOR_EVER = 0;

    private static SimulatedDevice device(long bytesPerSecond, long frames, double shortFrames, long seed)
            throws IOException {
        return new SimulatedDevice(
                "sim",
                new SimulatedDevice.Settings(BUFFER_BYTES, BUFFERS, bytesPerSecond, frames, shortFrames, seed, true));
    }

    private static long word(MemorySegment memory, long at) {
        return memory.get(JAVA_LONG.withOrder(ByteOrder.LITTLE_ENDIAN), at);
    }

    /** Every word of the frame, which starts at the position: it tells where it belongs. */
    private static void assertCounts(MemorySegment frame, long position) {
        for (long at = 0; at < frame.byteSize(); at += Long.BYTES) {
            assertThat(word(frame, at)).isEqualTo((position + at) / 8);
        }
    }

    /** Reads to the end and returns how many bytes there were, lost ones included. */
    private static long readAll(SimulatedDevice device) throws IOException {
        DeviceReader reader = new DeviceReader(device);
        long[] position = {0};
        long[] sequence = {0};
        reader.forEach(Integer.MAX_VALUE, (batch, i) -> {
            position[0] += batch.lostBytes(i);
            assertThat(batch.position(i)).isEqualTo(position[0]);
            assertThat(batch.sequence(i)).isEqualTo(sequence[0]++);
            assertCounts(reader.memory(batch, i), position[0]);
            position[0] += batch.bytes(i);
        });
        return position[0];
    }

    @Test
    void isAnotherStreamEachTime() throws Exception {
        try (SimulatedDevice one = device(UNPACED, 1, NONE, 1);
                SimulatedDevice other = device(UNPACED, 1, NONE, 1)) {
            assertThat(one.identity()).isEqualTo(one.identity()).isNotEqualTo(other.identity());
            assertThat(one.outlivesProcess()).isFalse();
        }
    }

    @Test
    void isWhatItsSettingsSay() throws Exception {
        try (SimulatedDevice device = device(UNPACED, 1, NONE, 1)) {
            assertThat(device.name()).isEqualTo("sim");
            assertThat(device.bufferCount()).isEqualTo(BUFFERS);
            assertThat(device.bufferBytes()).isEqualTo(BUFFER_BYTES);
            assertThat(device.memory().byteSize()).isEqualTo(BUFFERS * BUFFER_BYTES);
            assertThat(device.counts().free()).isEqualTo(BUFFERS);
        }
    }

    @Test
    void endsAfterItsFramesAndLosesNothingWithoutARate() throws Exception {
        try (SimulatedDevice device = device(UNPACED, 50, NONE, 1)) {
            device.start();
            assertThat(readAll(device)).isEqualTo(50 * BUFFER_BYTES);
            assertThat(device.ended()).isTrue();
            assertThat(device.counts().frames()).isEqualTo(50);
            assertThat(device.counts().lostBytes()).isZero();
            assertThat(device.counts().filled() + device.counts().lent()).isZero();
        }
    }

    @Test
    void everyByteProducedIsInAFrameOrCountedAsLost() throws Exception {
        long tooFast = 1_000_000_000;
        try (SimulatedDevice device = device(tooFast, 500, 0.5, 7)) {
            device.start();
            awaitLoss(device);
            assertThat(readAll(device))
                    .isEqualTo(device.counts().bytes() + device.counts().lostBytes());
            assertThat(device.counts().frames()).isEqualTo(500);
            assertThat(device.counts().starvedNanos()).isPositive();
        }
    }

    private static void awaitLoss(SimulatedDevice device) {
        while (device.counts().lostBytes() == 0) {
            Thread.onSpinWait();
        }
    }

    @Test
    void shortFramesAreWholeWordsAndCountOn() throws Exception {
        try (SimulatedDevice device = device(UNPACED, 200, ALL, 3)) {
            device.start();
            assertThat(readAll(device)).isEqualTo(device.counts().bytes());
        }
        assertThat(lengths(ALL, 3))
                .allMatch(length -> length > 0 && length <= BUFFER_BYTES && length % 8 == 0)
                .anyMatch(length -> length < BUFFER_BYTES);
    }

    @Test
    void shortFramesRepeatWithTheSeed() throws Exception {
        assertThat(lengths(ALL, 3)).isEqualTo(lengths(ALL, 3)).isNotEqualTo(lengths(ALL, 4));
    }

    @Test
    void theShareOfShortFramesIsAsAsked() throws Exception {
        assertThat(lengths(NONE, 1)).containsOnly(BUFFER_BYTES);
        assertThat(lengths(0.5, 1)).contains(BUFFER_BYTES).anyMatch(length -> length < BUFFER_BYTES);
    }

    private static List<Long> lengths(double shortFrames, long seed) throws IOException {
        try (SimulatedDevice device = device(UNPACED, 100, shortFrames, seed)) {
            device.start();
            return new DeviceReader(device).lengths();
        }
    }

    @Test
    void aReleasedBufferIsPoisonedAtOnce() throws Exception {
        try (SimulatedDevice device = device(UNPACED, 1, ALL, 5)) {
            device.start();
            DeviceReader reader = new DeviceReader(device);
            FrameBatch batch = reader.acquire(1);
            MemorySegment whole = device.memory().asSlice(batch.offset(0), BUFFER_BYTES);
            assertThat(word(whole, 0)).isZero();
            reader.release(batch.buffer(0));
            assertThat(whole.toArray(JAVA_LONG.withOrder(ByteOrder.LITTLE_ENDIAN)))
                    .containsOnly(Pattern.POISON);
        }
    }

    @Test
    void aReleaseStopsAtTheBufferThatIsNotLent() throws Exception {
        try (SimulatedDevice device = device(UNPACED, FOR_EVER, NONE, 1)) {
            device.start();
            DeviceReader reader = new DeviceReader(device);
            int first = reader.acquire(1).buffer(0);
            int second = reader.acquire(1).buffer(0);
            device.stop();
            assertThatThrownBy(() -> reader.release(first, first, second))
                    .isInstanceOf(LinuxException.class)
                    .hasMessage("release of buffer " + first + " of sim, which is not lent: Invalid argument (EINVAL)");
            assertThat(device.counts().lent()).as("the second is still lent").isEqualTo(1);
            for (int none : new int[] {-1, BUFFERS}) {
                assertThatThrownBy(() -> reader.release(none)).hasMessageContaining("buffer " + none + " of sim");
            }
            reader.release(second);
            assertThat(device.counts().lent()).isZero();
        }
    }

    @Test
    void onlyTheFirstBuffersOfTheArrayAreReleased() throws Exception {
        try (SimulatedDevice device = device(UNPACED, 2, NONE, 1)) {
            device.start();
            DeviceReader reader = new DeviceReader(device);
            int first = reader.acquire(1).buffer(0);
            int second = reader.acquire(1).buffer(0);
            device.release(new int[] {first, second}, 1);
            assertThat(device.counts().lent()).isEqualTo(1);
        }
    }

    @Test
    void halfWayStoppedItLendsWhatWasFilledAndEnds() throws Exception {
        try (SimulatedDevice device = device(UNPACED, FOR_EVER, NONE, 1)) {
            device.start();
            DeviceReader reader = new DeviceReader(device);
            FrameBatch held = reader.acquire(1);
            while (device.counts().filled() < BUFFERS - 1) {
                Thread.onSpinWait();
            }
            device.stop();
            reader.release(held.buffer(0));
            assertThat(device.counts().armed()).isZero();
            assertThat(reader.lengths()).hasSize(BUFFERS - 1);
            assertThat(device.ended()).isTrue();
            assertThat(device.counts().free()).isEqualTo(BUFFERS);
        }
    }

    @Test
    void theEndWakesAReaderThatFoundNothing() throws Exception {
        try (SimulatedDevice device = device(1, 1, NONE, 1)) {
            device.start();
            FrameBatch batch = new FrameBatch(1);
            assertThat(device.acquire(batch)).isZero();
            assertThat(device.ended()).isFalse();
            assertThat(Libc.poll(device.readyFd(), Constants.POLLIN, 0)).isZero();
            device.stop();
            assertThat(new DeviceReader(device).acquire(1).size()).isZero();
            assertThat(device.ended()).isTrue();
        }
    }

    @Test
    void memoryThatCannotBeHadIsAnError() {
        SimulatedDevice.Settings settings =
                new SimulatedDevice.Settings(1L << 60, BUFFERS, UNPACED, FOR_EVER, NONE, 1, false);
        assertThatThrownBy(() -> new SimulatedDevice("huge", settings).close())
                .isInstanceOf(LinuxException.class)
                .hasMessageStartingWith("memfd of 4611686018427387904 bytes: ");
    }
}
