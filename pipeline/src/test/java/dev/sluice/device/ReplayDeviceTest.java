// SPDX-License-Identifier: Apache-2.0
package dev.sluice.device;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.nio.file.StandardCopyOption.COPY_ATTRIBUTES;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sluice.RandomCases;
import dev.sluice.linux.Constants;
import dev.sluice.linux.Libc;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class ReplayDeviceTest {

    private static final int BUFFERS = 3;

    @TempDir
    private Path folder;

    private Path file(byte... content) throws IOException {
        return Files.write(folder.resolve("file"), content);
    }

    private static byte[] someBytes(int count) {
        byte[] bytes = new byte[count];
        new Random(1).nextBytes(bytes);
        return bytes;
    }

    private static ReplayDevice open(Path path, long frameBytes, boolean loop) throws IOException {
        return new ReplayDevice("file", new ReplayDevice.Settings(path, frameBytes, BUFFERS, loop));
    }

    private static byte[] read(ReplayDevice device, int mostFrames) throws IOException {
        DeviceReader reader = new DeviceReader(device);
        ByteArrayOutputStream read = new ByteArrayOutputStream();
        reader.forEach(mostFrames, (batch, i) -> {
            assertThat(batch.lostBytes(i)).isZero();
            assertThat(batch.position(i)).as("counts on in a loop, too").isEqualTo(read.size());
            read.write(reader.memory(batch, i).toArray(JAVA_BYTE));
        });
        return read.toByteArray();
    }

    @Test
    void anyFileComesBackInFramesOfAnySize() {
        RandomCases.run(200, random -> {
            byte[] content = someBytes(random.nextInt(1, 20_000));
            long frameBytes = random.nextLong(1, 7000);
            try (ReplayDevice device = open(file(content), frameBytes, false)) {
                device.start();
                assertThat(read(device, Integer.MAX_VALUE)).isEqualTo(content);
                assertThat(device.ended()).isTrue();
                assertThat(device.counts().free()).isEqualTo(BUFFERS);
                assertThat(device.counts().frames()).isEqualTo((content.length + frameBytes - 1) / frameBytes);
                assertThat(device.counts().bytes()).isEqualTo(content.length);
            }
        });
    }

    @Test
    void theLastFrameIsAsShortAsTheRest() throws Exception {
        try (ReplayDevice device = open(file(someBytes(10_001)), 4096, false)) {
            device.start();
            assertThat(new DeviceReader(device).lengths()).containsExactly(4096L, 4096L, 1809L);
        }
    }

    @Test
    void aFrameLargerThanTheFileIsTheWholeFile() throws Exception {
        byte[] content = someBytes(5);
        try (ReplayDevice device = open(file(content), 1 << 20, false)) {
            assertThat(device.bufferBytes()).isEqualTo(1 << 20);
            device.start();
            assertThat(read(device, Integer.MAX_VALUE)).isEqualTo(content);
        }
    }

    @Test
    void aLoopBeginsAgainAndCountsOn() throws Exception {
        byte[] content = someBytes(5);
        try (ReplayDevice device = open(file(content), 2, true)) {
            device.start();
            byte[] read = read(device, 9);
            byte[] expected = new byte[15];
            for (int at = 0; at < expected.length; at++) {
                expected[at] = content[at % 5];
            }
            assertThat(read).isEqualTo(expected);
            assertThat(device.ended()).isFalse();
            assertThat(new DeviceReader(device).acquire(1).sequence(0)).isEqualTo(9);
            device.stop();
        }
    }

    @Test
    void noMoreFramesAreLentThanThereAreBuffers() throws Exception {
        try (ReplayDevice device = open(file(someBytes(100)), 1, false)) {
            device.start();
            FrameBatch batch = new FrameBatch(100);
            assertThat(device.acquire(batch)).isEqualTo(BUFFERS);
            assertThat(device.acquire(batch)).isZero();
            assertThat(device.ended()).isFalse();
            assertThat(Libc.poll(device.readyFd(), Constants.POLLIN, 0)).isZero();
            device.release(new int[] {1}, 1);
            assertThat(Libc.poll(device.readyFd(), Constants.POLLIN, 0)).isEqualTo(Constants.POLLIN);
            assertThat(device.acquire(batch)).isEqualTo(1);
            assertThat(batch.buffer(0)).isEqualTo(1);
            assertThat(batch.offset(0)).isEqualTo(BUFFERS);
        }
    }

    @Test
    void aStoppedDeviceServesNothingMore() throws Exception {
        try (ReplayDevice device = open(file(someBytes(100)), 1, true)) {
            device.start();
            FrameBatch batch = new FrameBatch(BUFFERS);
            device.acquire(batch);
            device.stop();
            device.release(new int[] {0, 1, 2}, BUFFERS);
            assertThat(device.acquire(batch)).isZero();
            assertThat(device.counts().free()).isEqualTo(BUFFERS);
        }
    }

    @Test
    void aReleaseStopsAtTheBufferThatIsNotLent() throws Exception {
        try (ReplayDevice device = open(file(someBytes(100)), 1, false)) {
            device.start();
            FrameBatch batch = new FrameBatch(2);
            device.acquire(batch);
            assertThatThrownBy(() -> device.release(new int[] {0, 2, 1}, BUFFERS))
                    .hasMessage("release of buffer 2 of file, which is not lent: Invalid argument (EINVAL)");
            assertThat(device.counts().lent()).isEqualTo(1);
        }
    }

    @Test
    void isTheSameStreamWheneverTheSameFileIsCutTheSameWay() throws Exception {
        Path path = file(someBytes(5));
        FileTime written = Files.getLastModifiedTime(path);
        long identity = identity(path, 2, false);
        assertThat(identity(path, 2, false)).isEqualTo(identity);
        assertThat(identity(Files.createSymbolicLink(folder.resolve("link"), path), 2, false))
                .as("by another name")
                .isEqualTo(identity);
        assertThat(identity(Files.copy(path, folder.resolve("copy"), COPY_ATTRIBUTES), 2, false))
                .as("another file")
                .isNotEqualTo(identity);
        assertThat(identity(path, 3, false)).as("other frames").isNotEqualTo(identity);
        assertThat(identity(path, 2, true)).as("for ever").isNotEqualTo(identity);
        Files.setLastModifiedTime(path, FileTime.fromMillis(written.toMillis() + 1000));
        assertThat(identity(path, 2, false)).as("written since").isNotEqualTo(identity);
        Files.write(path, someBytes(6));
        Files.setLastModifiedTime(path, written);
        assertThat(identity(path, 2, false)).as("longer").isNotEqualTo(identity);
    }

    private static long identity(Path path, long frameBytes, boolean loop) throws IOException {
        try (ReplayDevice device = open(path, frameBytes, loop)) {
            assertThat(device.outlivesProcess()).isFalse();
            return device.identity();
        }
    }

    @Test
    void theMemoryIsThePageCacheItself() throws Exception {
        Path path = file(new byte[3]);
        try (ReplayDevice device = open(path, 3, false)) {
            device.start();
            FrameBatch batch = new DeviceReader(device).acquire(1);
            Files.write(path, new byte[] {1, 2, 3});
            assertThat(new DeviceReader(device).memory(batch, 0).toArray(JAVA_BYTE))
                    .containsExactly(1, 2, 3);
        }
    }

    @Test
    void aFileThatCannotBeReplayedIsNamedWithTheReason() throws Exception {
        Path missing = folder.resolve("missing");
        assertThatThrownBy(() -> open(missing, 1, false).close())
                .hasMessage("replay of " + missing + ": No such file or directory (ENOENT)");
        assertThatThrownBy(() -> open(folder, 1, false).close())
                .hasMessage("replay of " + folder + ": it is not a regular file");
        Path empty = file();
        assertThatThrownBy(() -> open(empty, 1, false).close())
                .hasMessage("replay of " + empty + ": the file is empty");
        Path device = Path.of("/dev/zero");
        assertThatThrownBy(() -> open(device, 1, false).close())
                .hasMessage("replay of " + device + ": it is not a regular file");
    }
}
