// SPDX-License-Identifier: Apache-2.0
package dev.sluice.device;

import dev.sluice.linux.LinuxException;
import dev.sluice.linux.SharedMemory;
import java.io.IOException;
import java.nio.file.Path;

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
        try {
            long bytes = settings.buffers() * settings.bufferBytes();
            mapping = SharedMemory.device(
                    file.fd(),
                    bytes,
                    "mmap of " + settings.buffers() + " buffers (" + bytes + " bytes) of " + file.path());
            DeviceProtocol protocol = settings.protocol().open(file, settings.buffers(), settings.bufferBytes());
            return new MappedDevice(name, settings, file, mapping, protocol);
        } catch (IOException | RuntimeException e) {
            if (mapping != null) {
                mapping.close();
            }
            file.close();
            throw e;
        }
    }

    @Override
    public int readyFd() {
        return protocol.readyFd();
    }

    @Override
    public void start() throws IOException {
        ledger.start();
        protocol.start();
        for (int buffer = 0; buffer < bufferCount(); buffer++) {
            rearm(buffer);
        }
    }

    @Override
    public void stop() {
        protocol.stop();
        ledger.stop();
    }

    @Override
    void rearm(int buffer) throws IOException {
        if (ledger.arm(buffer)) {
            protocol.arm(buffer);
        }
    }

    @Override
    public int acquire(FrameBatch into) throws IOException {
        if (!ended && !protocol.collect(this::filled)) {
            ended = true;
            ledger.end();
        }
        return super.acquire(into);
    }

    private void filled(int buffer, long bytes, long lostBytes) throws IOException {
        if (buffer != ledger.armedNext() || bytes < 1 || bytes > bufferBytes() || lostBytes < 0) {
            throw new IOException("the protocol of " + name + " reported buffer " + buffer + " with " + bytes
                    + " bytes after " + lostBytes + " lost; buffer " + ledger.armedNext()
                    + " is being filled, of " + bufferBytes() + " bytes");
        }
        ledger.lose(lostBytes, 0);
        ledger.fill(buffer, buffer * bufferBytes(), bytes);
    }

    @Override
    public void close() {
        protocol.stop();
        protocol.close();
        super.close();
        file.close();
    }
}
