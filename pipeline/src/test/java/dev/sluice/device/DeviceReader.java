// SPDX-License-Identifier: Apache-2.0
package dev.sluice.device;

import dev.sluice.linux.Constants;
import dev.sluice.linux.Loopback;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/** Acquires as the pipeline does: waits on the ready descriptor when there is nothing. */
final class DeviceReader {

    private final BufferDevice device;

    DeviceReader(BufferDevice device) {
        this.device = device;
    }

    /** What is done with a frame before its buffer is released. */
    @FunctionalInterface
    interface Look {
        void at(FrameBatch batch, int index) throws IOException;
    }

    /** Waits for at least one frame; with a batch of size 0 the device has ended. */
    FrameBatch acquire(int most) throws IOException {
        FrameBatch batch = new FrameBatch(most);
        while (device.acquire(batch) == 0 && !device.ended()) {
            Loopback.await(device.readyFd(), Constants.POLLIN);
        }
        return batch;
    }

    /** Looks at one frame after the other and releases it, until the device has ended or {@code most} were seen. */
    void forEach(int most, Look look) throws IOException {
        for (int seen = 0; seen < most; ) {
            FrameBatch batch = acquire(Math.min(4, most - seen));
            if (batch.size() == 0) {
                return;
            }
            for (int i = 0; i < batch.size(); i++, seen++) {
                look.at(batch, i);
                release(batch.buffer(i));
            }
        }
    }

    void release(int... buffers) throws IOException {
        device.release(buffers, buffers.length);
    }

    MemorySegment memory(FrameBatch batch, int index) {
        return device.memory().asSlice(batch.offset(index), batch.bytes(index));
    }

    /** Lengths of all frames to come. */
    List<Long> lengths() throws IOException {
        List<Long> lengths = new ArrayList<>();
        forEach(Integer.MAX_VALUE, (batch, i) -> lengths.add(batch.bytes(i)));
        return lengths;
    }
}
