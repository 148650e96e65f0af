// SPDX-License-Identifier: Apache-2.0
package dev.sluice.benchmarks.rivals;

import dev.sluice.device.DeviceFile;
import dev.sluice.device.DeviceProtocol;
import dev.sluice.device.DeviceProtocolFactory;
import dev.sluice.filter.Settings;
import dev.sluice.linux.EventFd;
import java.io.IOException;

/**
 * A device as fast as its buffers come back: each is filled the moment it is armed, and nobody writes to it. So what is
 * measured is the pipeline, as the rivals are measured without whatever fills their buffers.
 */
public final class EndlessDevice implements DeviceProtocol {

    private final long bufferBytes;
    private final EventFd ready = new EventFd();
    private final int[] armed;
    private int first;
    private int count;

    private EndlessDevice(int buffers, long bufferBytes) throws IOException {
        this.bufferBytes = bufferBytes;
        armed = new int[buffers];
    }

    @Override
    public int readyFd() {
        return ready.fd();
    }

    @Override
    public void start() {}

    @Override
    public void stop() {}

    @Override
    public void arm(int buffer) {
        armed[(first + count) % armed.length] = buffer;
        if (count++ == 0) {
            ready.signal();
        }
    }

    @Override
    public boolean collect(Filled filled) throws IOException {
        if (count > 0) {
            ready.clear();
        }
        while (count > 0) {
            int buffer = armed[first];
            first = (first + 1) % armed.length;
            count--;
            filled.add(buffer, bufferBytes, 0);
        }
        return true;
    }

    @Override
    public void close() {
        ready.close();
    }

    /** Protocol {@code endless}, found by ServiceLoader. The device is any file with memory enough. */
    public static final class Factory implements DeviceProtocolFactory {
        @Override
        public String protocol() {
            return "endless";
        }

        @Override
        public Opener configure(Settings settings) {
            return (DeviceFile device, int buffers, long bufferBytes) -> new EndlessDevice(buffers, bufferBytes);
        }
    }
}
