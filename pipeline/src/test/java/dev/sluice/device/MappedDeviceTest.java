// SPDX-License-Identifier: Apache-2.0
package dev.sluice.device;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Somebody else's device, with a protocol of its own. */
@Timeout(value = 60, unit = TimeUnit.SECONDS)
final class MappedDeviceTest {

    private static final int BUFFERS = 4;
    private static final int BUFFER_BYTES = 4096;

    @TempDir
    private Path folder;

    private FifoDevice engine;

    @BeforeEach
    void make() throws Exception {
        engine = new FifoDevice(folder, BUFFERS, BUFFER_BYTES);
    }

    @AfterEach
    void nothingOfItStaysOpen() throws IOException {
        engine.close();
        assertThat(open()).isZero();
    }

    /** Descriptors and mappings of this process that lead to the device. */
    private long open() throws IOException {
        long count = Files.readAllLines(Path.of("/proc/self/maps")).stream()
                .filter(line -> line.contains(folder.toString()))
                .count();
        try (Stream<Path> descriptors = Files.list(Path.of("/proc/self/fd"))) {
            return count + descriptors.filter(this::leadsToIt).count();
        }
    }

    private boolean leadsToIt(Path descriptor) {
        try {
            return Files.readSymbolicLink(descriptor).startsWith(folder);
        } catch (IOException e) {
            return false; // the one of the listing itself is closed by now
        }
    }

    private MappedDevice open(DeviceProtocolFactory.Opener protocol) throws IOException {
        return open(BUFFERS, protocol);
    }

    private MappedDevice open(int buffers, DeviceProtocolFactory.Opener protocol) throws IOException {
        return MappedDevice.open("adc", new MappedDevice.Settings(engine.path(), BUFFER_BYTES, buffers, protocol));
    }

    private DeviceProtocol fifo(DeviceFile device, int buffers, long bufferBytes) throws IOException {
        return new FifoDevice.Protocol(folder);
    }

    @Test
    void framesComeInOrderWithTheirBytesAndWhatWasLost() throws Exception {
        Random random = new Random(1);
        try (MappedDevice device = open(this::fifo)) {
            DeviceReader reader = new DeviceReader(device);
            device.start();
            long lost = 0;
            for (int frame = 0; frame < 100; frame++) {
                int buffer = engine.nextArmed();
                assertThat(buffer).isEqualTo(frame % BUFFERS);
                byte[] bytes = new byte[1 + random.nextInt(BUFFER_BYTES)];
                random.nextBytes(bytes);
                long lostBefore = random.nextInt(5) == 0 ? 1000 : 0;
                if (lostBefore > 0) {
                    engine.lose(lostBefore);
                }
                engine.fill(buffer, bytes);
                FrameBatch batch = reader.acquire(BUFFERS);
                assertThat(batch.size()).isEqualTo(1);
                assertThat(batch.buffer(0)).isEqualTo(buffer);
                assertThat(batch.sequence(0)).isEqualTo(frame);
                assertThat(batch.lostBytes(0)).isEqualTo(lostBefore);
                MemorySegment memory = reader.memory(batch, 0);
                assertThat(memory.toArray(ValueLayout.JAVA_BYTE)).isEqualTo(bytes);
                reader.release(buffer);
                lost += lostBefore;
            }
            engine.end();
            assertThat(reader.acquire(BUFFERS).size()).isZero();
            assertThat(device.ended()).isTrue();
            assertThat(device.counts().lostBytes()).isEqualTo(lost);
            assertThat(device.counts().armed()).isEqualTo(BUFFERS);
            device.stop();
            assertThat(device.counts().free()).isEqualTo(BUFFERS);
        }
    }

    @Test
    void whatCameBeforeTheEndIsLentBeforeIt() throws Exception {
        try (MappedDevice device = open(this::fifo)) {
            DeviceReader reader = new DeviceReader(device);
            device.start();
            for (int buffer = 0; buffer < 3; buffer++) {
                engine.fill(buffer, new byte[] {1, 2, 3});
            }
            engine.end();
            assertThat(reader.acquire(1).buffer(0)).isZero();
            assertThat(device.ended()).isFalse();
            assertThat(reader.acquire(BUFFERS).size()).isEqualTo(2);
            assertThat(device.ended()).isTrue();
        }
    }

    @Test
    void aHaltedEngineIsGivenNothing() throws Exception {
        try (MappedDevice device = open(this::fifo)) {
            DeviceReader reader = new DeviceReader(device);
            device.start();
            engine.fill(0, new byte[] {1});
            assertThat(reader.acquire(1).size()).isEqualTo(1);
            engine.fill(1, new byte[] {2});
            device.stop();
            assertThat(device.acquire(new FrameBatch(1))).as("too late").isZero();
            reader.release(0);
            assertThat(device.counts().free()).isEqualTo(BUFFERS);
        }
    }

    @ParameterizedTest(name = "buffer {0}, {1} bytes")
    @CsvSource({"1, 1", "-7, 1", "99, 1", "0, 0", "0, 4097", "0, -1"})
    void aReportThatCannotBeIsRefused(int buffer, long bytes) throws Exception {
        try (MappedDevice device = open(this::fifo)) {
            device.start();
            engine.report(buffer, bytes);
            assertThatThrownBy(() -> device.acquire(new FrameBatch(1)))
                    .isInstanceOf(IOException.class)
                    .hasMessage("the protocol of adc reported buffer " + buffer + " with " + bytes
                            + " bytes after 0 lost; buffer 0 is being filled, and a buffer has 4096 bytes");
        }
    }

    @Test
    void aReportWhileNothingIsArmedIsRefused() throws Exception {
        try (MappedDevice device = open(this::fifo)) {
            device.start();
            for (int buffer = 0; buffer < BUFFERS; buffer++) {
                engine.report(buffer, 1);
            }
            engine.report(0, 1);
            assertThatThrownBy(() -> device.acquire(new FrameBatch(1)))
                    .isInstanceOf(IOException.class)
                    .hasMessageContaining("reported buffer 0 with 1 bytes after 0 lost; no buffer is armed");
        }
    }

    @Test
    void aDeviceThatIsNotThereIsNamed() {
        MappedDevice.Settings settings =
                new MappedDevice.Settings(folder.resolve("gone"), BUFFER_BYTES, BUFFERS, this::fifo);
        assertThatThrownBy(() -> MappedDevice.open("adc", settings).close())
                .isInstanceOf(IOException.class)
                .hasMessageContaining(folder.resolve("gone").toString())
                .hasMessageContaining("ENOENT");
    }

    @Test
    void memoryThatIsTooSmallIsRefused() {
        assertThatThrownBy(() -> open(BUFFERS + 1, this::fifo).close())
                .isInstanceOf(IOException.class)
                .hasMessage(engine.path() + " has 16384 bytes, too few for 5 buffers (20480 bytes): make buffers or "
                        + "buffer-size smaller");
    }

    @Test
    void aProtocolThatCannotBeMadeLeavesNothingOpen() {
        assertThatThrownBy(() -> open((device, buffers, bytes) -> {
                            throw new IOException("no such IP core");
                        })
                        .close())
                .isInstanceOf(IOException.class)
                .hasMessage("no such IP core");
        assertThatThrownBy(() -> open((device, buffers, bytes) -> {
                            throw new NoClassDefFoundError("vendor/Library");
                        })
                        .close())
                .isInstanceOf(IOException.class)
                .hasMessage("the protocol of adc failed: java.lang.NoClassDefFoundError: vendor/Library");
        assertThatThrownBy(() -> open((device, buffers, bytes) -> null).close())
                .isInstanceOf(IOException.class)
                .hasMessageContaining("its opener made none, but null");
    }
}
