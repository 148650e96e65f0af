// SPDX-License-Identifier: Apache-2.0
package dev.sluice.device;

import dev.sluice.linux.LinuxException;
import dev.sluice.linux.SharedMemory;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Objects;

/**
 * Somebody else's character device as a source: its memory is mapped here, its protocol is a class of the user's. What
 * cannot be sent by reference, since the device's driver maps it without struct pages, is copied, as the summary says.
 */
public final class MappedDevice extends StandInDevice {

    /**
     * What to open.
     *
     * @param path the device's file
     * @param bufferBytes size of a buffer, a whole number of pages
     * @param buffers how many; they lie back to back from the start of the device's memory
     * @param protocol makes what knows the device
     */
    public record Settings(Path path, long bufferBytes, int buffers, DeviceProtocolFactory.Opener protocol) {}

    private final DeviceFile file;
    private final DeviceProtocol protocol;
    private boolean running;
    private boolean ended;

    private MappedDevice(String name, Settings settings, DeviceFile file, SharedMemory mapping, DeviceProtocol protocol)
            throws LinuxException {
        super(name, mapping, settings.buffers(), settings.bufferBytes());
        this.file = file;
        this.protocol = protocol;
    }

    /** Opens the device, maps its memory and sets it up. */
    public static MappedDevice open(String name, Settings settings) throws IOException {
        DeviceFile file = DeviceFile.open(settings.path());
        SharedMemory mapping = null;
        DeviceProtocol protocol = null;
        try {
            mapping = map(file, settings);
            protocol = made(name, settings, file);
            return new MappedDevice(name, settings, file, mapping, protocol);
        } catch (IOException | RuntimeException e) {
            if (protocol != null) {
                protocol.close();
            }
            if (mapping != null) {
                mapping.close();
            }
            file.close();
            throw e;
        }
    }

    private static SharedMemory map(DeviceFile file, Settings settings) throws IOException {
        long bytes = settings.buffers() * settings.bufferBytes();
        String buffers = settings.buffers() + " buffers (" + bytes + " bytes)";
        // A device refuses to map what it has not. A file does not, and reading behind its end would end the process.
        if (Files.isRegularFile(file.path()) && Files.size(file.path()) < bytes) {
            throw new IOException(file.path() + " has " + Files.size(file.path()) + " bytes, too few for " + buffers
                    + ": make buffers or buffer-size smaller");
        }
        return SharedMemory.device(file.fd(), bytes, "mmap of " + buffers + " of " + file.path());
    }

    private static DeviceProtocol made(String name, Settings settings, DeviceFile file) throws IOException {
        try {
            return Objects.requireNonNull(
                    settings.protocol().open(file, settings.buffers(), settings.bufferBytes()),
                    "its opener made none, but null");
        } catch (RuntimeException | LinkageError | StackOverflowError e) {
            throw failed(name, e);
        }
    }

    /** What somebody else's class throws ends the pipeline like an error of the device, with a sentence that names it. */
    private static IOException failed(String name, Throwable cause) {
        return new IOException("the protocol of " + name + " failed: " + cause, cause);
    }

    /** A call of the protocol. */
    @FunctionalInterface
    private interface Call {
        void make() throws IOException;
    }

    private void call(Call call) throws IOException {
        try {
            call.make();
        } catch (RuntimeException | LinkageError | StackOverflowError e) {
            throw failed(name, e);
        }
    }

    @Override
    public int readyFd() {
        return protocol.readyFd();
    }

    @Override
    public void start() throws IOException {
        ledger.start();
        running = true; // before it is: one that starts in part is halted, too
        call(protocol::start);
        for (int buffer = 0; buffer < bufferCount(); buffer++) {
            rearm(buffer);
        }
    }

    @Override
    public void stop() {
        if (running) {
            running = false;
            ledger.stop();
            protocol.stop();
        }
    }

    @Override
    void rearm(int buffer) throws IOException {
        if (ledger.arm(buffer)) {
            call(() -> protocol.arm(buffer));
        }
    }

    @Override
    public int acquire(FrameBatch into) throws IOException {
        if (running && !ended) {
            call(this::collect);
        }
        return super.acquire(into);
    }

    private void collect() throws IOException {
        if (!protocol.collect(this::filled)) {
            ended = true;
            ledger.end();
        }
    }

    private void filled(int buffer, long bytes, long lostBytes) throws IOException {
        int next = ledger.armedNext();
        if (buffer < 0 || buffer != next || bytes < 1 || bytes > bufferBytes() || lostBytes < 0) {
            throw new IOException("the protocol of " + name + " reported buffer " + buffer + " with " + bytes
                    + " bytes after " + lostBytes + " lost; "
                    + (next < 0 ? "no buffer is armed" : "buffer " + next + " is being filled")
                    + ", and a buffer has " + bufferBytes() + " bytes");
        }
        ledger.lose(lostBytes, 0);
        ledger.fill(buffer, buffer * bufferBytes(), bytes);
    }

    @Override
    public void close() {
        try {
            stop();
        } finally {
            try {
                protocol.close();
            } finally {
                super.close();
                file.close();
            }
        }
    }
}
