// SPDX-License-Identifier: Apache-2.0
package dev.sluice.device;

import dev.sluice.filter.Settings;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/**
 * A made-up device, and the engine behind it, for a test to play: a file is its memory, one FIFO tells which buffers are
 * filled, another takes those that are armed, both in records of two 64-bit words.
 */
public final class FifoDevice implements AutoCloseable {

    private static final long END = -1;
    private static final long LOST = -2;

    private final Path folder;
    private final long bufferBytes;
    private final FileChannel memory;
    private final RandomAccessFile filled;
    private final RandomAccessFile armed;

    public FifoDevice(Path folder, int buffers, long bufferBytes) throws Exception {
        this.folder = folder;
        this.bufferBytes = bufferBytes;
        for (String fifo : new String[] {"filled", "armed"}) {
            if (new ProcessBuilder("mkfifo", folder.resolve(fifo).toString())
                            .start()
                            .waitFor()
                    != 0) {
                throw new IOException("mkfifo failed");
            }
        }
        memory = FileChannel.open(path(), StandardOpenOption.CREATE, StandardOpenOption.READ, StandardOpenOption.WRITE);
        memory.write(ByteBuffer.allocate(1), buffers * bufferBytes - 1);
        filled = new RandomAccessFile(folder.resolve("filled").toFile(), "rw"); // opened for both, neither side waits
        armed = new RandomAccessFile(folder.resolve("armed").toFile(), "rw");
    }

    public Path path() {
        return folder.resolve("memory");
    }

    /** Waits for the next buffer that is armed. */
    public int nextArmed() throws IOException {
        int buffer = (int) Long.reverseBytes(armed.readLong());
        armed.readLong();
        return buffer;
    }

    public void fill(int buffer, byte[] bytes) throws IOException {
        memory.write(ByteBuffer.wrap(bytes), buffer * bufferBytes);
        report(buffer, bytes.length);
    }

    public void lose(long bytes) throws IOException {
        report(LOST, bytes);
    }

    public void end() throws IOException {
        report(END, 0);
    }

    /** Says what it likes. */
    public void report(long buffer, long bytes) throws IOException {
        ByteBuffer record = ByteBuffer.allocate(16).order(ByteOrder.LITTLE_ENDIAN);
        filled.write(record.putLong(buffer).putLong(bytes).array());
    }

    @Override
    public void close() throws IOException {
        memory.close();
        filled.close();
        armed.close();
    }

    /** Knows it. */
    static final class Protocol implements DeviceProtocol {

        private final DeviceFile filled;
        private final DeviceFile armed;
        private final Arena arena = Arena.ofShared();
        private final MemorySegment record = arena.allocate(16, 8);
        private boolean open = true;

        /** Told, and not yet reported: the frame behind it may come later. */
        private long lost;

        Protocol(Path folder) throws IOException {
            filled = DeviceFile.open(folder.resolve("filled"));
            armed = DeviceFile.open(folder.resolve("armed"));
        }

        @Override
        public int readyFd() {
            return filled.fd();
        }

        @Override
        public void start() {}

        @Override
        public void stop() {
            if (!open) {
                throw new IllegalStateException("stopped after it was closed");
            }
        }

        @Override
        public void arm(int buffer) throws IOException {
            record.set(ValueLayout.JAVA_LONG, 0, buffer);
            record.set(ValueLayout.JAVA_LONG, 8, 0);
            if (armed.write(record) != record.byteSize()) {
                throw new IOException("the FIFO is full");
            }
        }

        @Override
        public boolean collect(Filled to) throws IOException {
            while (filled.read(record) > 0) {
                long buffer = record.get(ValueLayout.JAVA_LONG, 0);
                long bytes = record.get(ValueLayout.JAVA_LONG, 8);
                if (buffer == END) {
                    return false;
                }
                if (buffer == LOST) {
                    lost += bytes;
                } else {
                    to.add((int) buffer, bytes, lost);
                    lost = 0;
                }
            }
            return true;
        }

        @Override
        public void close() {
            open = false;
            filled.close();
            armed.close();
            arena.close();
        }
    }

    /** Protocol {@code fifo}, found by ServiceLoader: the FIFOs lie beside the memory. */
    public static final class Factory implements DeviceProtocolFactory {
        @Override
        public String protocol() {
            return "fifo";
        }

        @Override
        public Opener configure(Settings settings) {
            return (device, buffers, bufferBytes) ->
                    new Protocol(device.path().toAbsolutePath().getParent());
        }
    }
}
