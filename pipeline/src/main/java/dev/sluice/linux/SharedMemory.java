// SPDX-License-Identifier: Apache-2.0
package dev.sluice.linux;

import java.lang.foreign.MemorySegment;
import java.nio.file.Path;

/** Memory mapped into the process, shared with the kernel object behind it (man 2 mmap). */
public final class SharedMemory implements AutoCloseable {

    /** The kernel takes 249 bytes, and UTF-8 has up to 4 for a character. */
    private static final int MOST_NAME_CHARACTERS = 60;

    private final MemorySegment segment;
    private boolean mapped = true;

    @SuppressWarnings("restricted") // the segment gets the bounds of the mapping just made
    private SharedMemory(long address, long bytes) {
        segment = MemorySegment.ofAddress(address).reinterpret(bytes);
    }

    /**
     * New memory of a kernel file without a name (man 2 memfd_create): page-backed, zeroed, writable.
     *
     * @param name for people who look into /proc; cut where the kernel takes no more
     */
    public static SharedMemory anonymous(String name, long bytes) throws LinuxException {
        String what = "memfd of " + bytes + " bytes";
        String shown = name.substring(0, Math.min(name.length(), MOST_NAME_CHARACTERS));
        int fd = LinuxException.check(Libc.memfdCreate(shown, Constants.MFD_CLOEXEC), what);
        try {
            LinuxException.check(Libc.ftruncate(fd, bytes), what);
            return map(fd, bytes, Constants.PROT_READ | Constants.PROT_WRITE, what);
        } finally {
            Libc.close(fd);
        }
    }

    /** The first {@code bytes} bytes of a file, read only. */
    public static SharedMemory file(Path path, long bytes) throws LinuxException {
        int fd = LinuxException.check(Libc.open(path, Constants.O_RDONLY | Constants.O_CLOEXEC), "open " + path);
        try {
            return map(fd, bytes, Constants.PROT_READ, "mmap " + path);
        } finally {
            Libc.close(fd);
        }
    }

    /**
     * The memory of a device, from its start. Writable, though nobody here writes: the kernel registers memory for
     * io_uring only through a mapping that is.
     *
     * @param fd stays the caller's; the mapping outlives it
     */
    public static SharedMemory device(int fd, long bytes, String what) throws LinuxException {
        return map(fd, bytes, Constants.PROT_READ | Constants.PROT_WRITE, what);
    }

    /** A part of what the kernel and a process share of an io_uring (man 7 io_uring). */
    static SharedMemory ring(int fd, long offset, long bytes) throws LinuxException {
        int flags = Constants.MAP_SHARED | Constants.MAP_POPULATE;
        return map(fd, offset, bytes, Constants.PROT_READ | Constants.PROT_WRITE, flags, "mmap of an io_uring");
    }

    private static SharedMemory map(int fd, long bytes, int protection, String what) throws LinuxException {
        return map(fd, 0, bytes, protection, Constants.MAP_SHARED, what);
    }

    private static SharedMemory map(int fd, long offset, long bytes, int protection, int flags, String what)
            throws LinuxException {
        long address = Libc.mmap(bytes, protection, flags, fd, offset);
        if (address < 0 && address > -4096) {
            throw new LinuxException(what, (int) -address);
        }
        return new SharedMemory(address, bytes);
    }

    /** The mapping; touching it after {@link #close} ends the process. */
    public MemorySegment segment() {
        return segment;
    }

    @Override
    public void close() {
        if (mapped) {
            mapped = false;
            Libc.munmap(segment.address(), segment.byteSize());
        }
    }
}
