// SPDX-License-Identifier: Apache-2.0
package dev.sluice.benchmarks.rivals;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/** The buffers that all rivals send, mapped from a file of page-backed memory. Nobody writes to them. */
final class Ring {

    private final Path path;
    private final int frameBytes;
    private final FileChannel file;
    private final ByteBuffer[] buffers;

    Ring(Path path, int frameBytes, int count) throws IOException {
        this.path = path;
        this.frameBytes = frameBytes;
        file = FileChannel.open(path, StandardOpenOption.READ, StandardOpenOption.WRITE);
        buffers = new ByteBuffer[count];
        ByteBuffer all = file.map(FileChannel.MapMode.READ_WRITE, 0, (long) count * frameBytes)
                .load();
        for (int i = 0; i < count; i++) {
            buffers[i] = all.slice(i * frameBytes, frameBytes);
        }
    }

    Path path() {
        return path;
    }

    FileChannel file() {
        return file;
    }

    int frameBytes() {
        return frameBytes;
    }

    int count() {
        return buffers.length;
    }

    /** A buffer, direct; its position and limit belong to whoever sends it. */
    ByteBuffer buffer(int index) {
        return buffers[index];
    }
}
