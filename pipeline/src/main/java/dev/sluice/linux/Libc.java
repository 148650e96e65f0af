// SPDX-License-Identifier: Apache-2.0
package dev.sluice.linux;

import static dev.sluice.linux.CType.INT;
import static dev.sluice.linux.CType.LONG;
import static dev.sluice.linux.CType.LONG_LONG;
import static dev.sluice.linux.CType.POINTER;
import static dev.sluice.linux.CType.SIZE_T;
import static java.lang.foreign.ValueLayout.JAVA_INT;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.StructLayout;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;
import java.lang.invoke.VarHandle;
import java.nio.file.Path;
import java.util.Arrays;

/**
 * System calls by way of the C library (man pages, section 2). Each returns its result, zero or more, or the negated
 * errno. Calls that may wait (read, write, poll, epoll_wait, connect, accept) are ordinary downcalls: a critical one
 * would hold off every safepoint of the virtual machine for as long as it waits.
 */
@SuppressWarnings("restricted") // native access is what this package is for
public final class Libc {

    private static final Linker LINKER = Linker.nativeLinker();
    private static final StructLayout STATE_LAYOUT = Linker.Option.captureStateLayout();
    private static final VarHandle STATE_ERRNO = STATE_LAYOUT.varHandle(MemoryLayout.PathElement.groupElement("errno"));

    /** Where the linker leaves errno: one segment per thread, since a call and the look at its errno are a pair. */
    private static final ThreadLocal<MemorySegment> STATE =
            ThreadLocal.withInitial(() -> Arena.ofAuto().allocate(STATE_LAYOUT));

    private static final MethodHandle OPEN = variadic("open64", 2, POINTER, INT, INT);
    private static final MethodHandle CLOSE = function("close", INT);
    private static final MethodHandle READ = sized("read", INT, POINTER, SIZE_T);
    private static final MethodHandle WRITE = sized("write", INT, POINTER, SIZE_T);
    private static final MethodHandle IOCTL = variadic("ioctl", 2, INT, LONG, POINTER);
    private static final MethodHandle POLL = function("poll", POINTER, LONG, INT);
    private static final MethodHandle EPOLL_CREATE = function("epoll_create1", INT);
    private static final MethodHandle EPOLL_CTL = function("epoll_ctl", INT, INT, INT, POINTER);
    private static final MethodHandle EPOLL_WAIT = function("epoll_wait", INT, POINTER, INT, INT);
    private static final MethodHandle EVENTFD = function("eventfd", INT, INT);
    private static final MethodHandle MEMFD_CREATE = function("memfd_create", POINTER, INT);
    private static final MethodHandle FTRUNCATE = function("ftruncate64", INT, LONG_LONG);
    private static final MethodHandle MMAP = bind("mmap64", POINTER, POINTER, SIZE_T, INT, INT, INT, LONG_LONG);
    private static final MethodHandle GETPAGESIZE = function("getpagesize");
    private static final MethodHandle GETEUID = function("geteuid");
    private static final MethodHandle MUNMAP = function("munmap", POINTER, SIZE_T);
    private static final MethodHandle SOCKET = function("socket", INT, INT, INT);
    private static final MethodHandle BIND = function("bind", INT, POINTER, INT);
    private static final MethodHandle CONNECT = function("connect", INT, POINTER, INT);
    private static final MethodHandle LISTEN = function("listen", INT, INT);
    private static final MethodHandle ACCEPT = function("accept4", INT, POINTER, POINTER, INT);
    private static final MethodHandle SHUTDOWN = function("shutdown", INT, INT);
    private static final MethodHandle GETSOCKNAME = function("getsockname", INT, POINTER, POINTER);
    private static final MethodHandle GETPEERNAME = function("getpeername", INT, POINTER, POINTER);
    private static final MethodHandle GETSOCKOPT = function("getsockopt", INT, INT, INT, POINTER, POINTER);
    private static final MethodHandle SETSOCKOPT = function("setsockopt", INT, INT, INT, POINTER, INT);
    private static final MethodHandle SENDMSG = sized("sendmsg", INT, POINTER, INT);
    private static final MethodHandle RECVMSG = sized("recvmsg", INT, POINTER, INT);
    private static final MethodHandle PIPE = function("pipe2", POINTER, INT);
    private static final MethodHandle FCNTL = variadic("fcntl", 2, INT, INT, INT);
    private static final MethodHandle VMSPLICE = sized("vmsplice", INT, POINTER, SIZE_T, INT);
    private static final MethodHandle SPLICE = sized("splice", INT, POINTER, INT, POINTER, SIZE_T, INT);
    private static final MethodHandle IO_URING_SETUP = systemCall(LONG, INT, POINTER);
    private static final MethodHandle IO_URING_ENTER = systemCall(LONG, INT, INT, INT, INT, POINTER, SIZE_T);
    private static final MethodHandle IO_URING_REGISTER = systemCall(LONG, INT, INT, POINTER, INT);
    private static final MethodHandle STRERROR =
            LINKER.downcallHandle(LINKER.defaultLookup().findOrThrow("strerror"), FunctionDescriptor.of(POINTER, INT));

    private Libc() {}

    /** open(2). */
    public static int open(Path path, int flags) {
        try (Arena arena = Arena.ofConfined()) {
            return (int) (long) OPEN.invokeExact(arena.allocateFrom(path.toString()), flags, 0);
        } catch (Throwable t) {
            throw bug(t);
        }
    }

    /** close(2). Not to be repeated after EINTR: the descriptor is gone all the same. */
    public static int close(int fd) {
        try {
            return (int) (long) CLOSE.invokeExact(fd);
        } catch (Throwable t) {
            throw bug(t);
        }
    }

    /** read(2) of up to {@code bytes} bytes. */
    public static long read(int fd, MemorySegment buffer, long bytes) {
        try {
            return (long) READ.invokeExact(fd, buffer, bytes);
        } catch (Throwable t) {
            throw bug(t);
        }
    }

    /** write(2) of up to {@code bytes} bytes. */
    public static long write(int fd, MemorySegment buffer, long bytes) {
        try {
            return (long) WRITE.invokeExact(fd, buffer, bytes);
        } catch (Throwable t) {
            throw bug(t);
        }
    }

    /** ioctl(2) with a pointer argument, which may be NULL. */
    public static int ioctl(int fd, int request, MemorySegment argument) {
        try {
            return (int) (long) IOCTL.invokeExact(fd, Integer.toUnsignedLong(request), argument);
        } catch (Throwable t) {
            throw bug(t);
        }
    }

    /**
     * poll(2) of one descriptor: waits up to {@code timeoutMillis} (-1: for ever) and returns the events that hold
     * (POLLERR and POLLHUP come unasked), 0 after a time-out.
     */
    public static int poll(int fd, int events, int timeoutMillis) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment pollfd = Pollfd.allocate(arena, fd, events);
            long ready = (long) POLL.invokeExact(pollfd, 1L, timeoutMillis);
            return ready > 0 ? Pollfd.revents(pollfd) : (int) ready;
        } catch (Throwable t) {
            throw bug(t);
        }
    }

    static int epollCreate(int flags) {
        try {
            return (int) (long) EPOLL_CREATE.invokeExact(flags);
        } catch (Throwable t) {
            throw bug(t);
        }
    }

    static int epollCtl(int epoll, int operation, int fd, MemorySegment event) {
        try {
            return (int) (long) EPOLL_CTL.invokeExact(epoll, operation, fd, event);
        } catch (Throwable t) {
            throw bug(t);
        }
    }

    static int epollWait(int epoll, MemorySegment events, int most, int timeoutMillis) {
        try {
            return (int) (long) EPOLL_WAIT.invokeExact(epoll, events, most, timeoutMillis);
        } catch (Throwable t) {
            throw bug(t);
        }
    }

    static int eventfd(int initial, int flags) {
        try {
            return (int) (long) EVENTFD.invokeExact(initial, flags);
        } catch (Throwable t) {
            throw bug(t);
        }
    }

    static int memfdCreate(String name, int flags) {
        try (Arena arena = Arena.ofConfined()) {
            return (int) (long) MEMFD_CREATE.invokeExact(arena.allocateFrom(name), flags);
        } catch (Throwable t) {
            throw bug(t);
        }
    }

    static int ftruncate(int fd, long bytes) {
        try {
            return (int) (long) FTRUNCATE.invokeExact(fd, bytes);
        } catch (Throwable t) {
            throw bug(t);
        }
    }

    /** mmap(2): the address, or the negated errno (no address lies in the last page, which is how libc tells). */
    static long mmap(long bytes, int protection, int flags, int fd, long offset) {
        if (!CType.WIDE && bytes > Integer.MAX_VALUE) {
            return -Constants.ENOMEM;
        }
        MemorySegment state = STATE.get();
        try {
            MemorySegment mapped =
                    (MemorySegment) MMAP.invokeExact(state, MemorySegment.NULL, bytes, protection, flags, fd, offset);
            long mapFailed = CType.WIDE ? -1L : 0xffff_ffffL;
            return mapped.address() == mapFailed ? -errno(state) : mapped.address();
        } catch (Throwable t) {
            throw bug(t);
        }
    }

    /** getpagesize(3): bytes of a page of this machine, 4096 on most. */
    public static int pageBytes() {
        try {
            return (int) (long) GETPAGESIZE.invokeExact();
        } catch (Throwable t) {
            throw bug(t);
        }
    }

    /** geteuid(2): the user whose rights this process has; the bits of an unsigned number. */
    public static int effectiveUser() {
        try {
            return (int) (long) GETEUID.invokeExact();
        } catch (Throwable t) {
            throw bug(t);
        }
    }

    static int munmap(long address, long bytes) {
        try {
            return (int) (long) MUNMAP.invokeExact(MemorySegment.ofAddress(address), bytes);
        } catch (Throwable t) {
            throw bug(t);
        }
    }

    static int socket(int domain, int type, int protocol) {
        try {
            return (int) (long) SOCKET.invokeExact(domain, type, protocol);
        } catch (Throwable t) {
            throw bug(t);
        }
    }

    static int bind(int fd, MemorySegment address) {
        try {
            return (int) (long) BIND.invokeExact(fd, address, (int) address.byteSize());
        } catch (Throwable t) {
            throw bug(t);
        }
    }

    static int connect(int fd, MemorySegment address) {
        try {
            return (int) (long) CONNECT.invokeExact(fd, address, (int) address.byteSize());
        } catch (Throwable t) {
            throw bug(t);
        }
    }

    static int listen(int fd, int backlog) {
        try {
            return (int) (long) LISTEN.invokeExact(fd, backlog);
        } catch (Throwable t) {
            throw bug(t);
        }
    }

    static int accept(int fd, int flags) {
        try {
            return (int) (long) ACCEPT.invokeExact(fd, MemorySegment.NULL, MemorySegment.NULL, flags);
        } catch (Throwable t) {
            throw bug(t);
        }
    }

    static int shutdown(int fd, int how) {
        try {
            return (int) (long) SHUTDOWN.invokeExact(fd, how);
        } catch (Throwable t) {
            throw bug(t);
        }
    }

    static int getsockname(int fd, MemorySegment address, MemorySegment length) {
        try {
            return (int) (long) GETSOCKNAME.invokeExact(fd, address, length);
        } catch (Throwable t) {
            throw bug(t);
        }
    }

    static int getpeername(int fd, MemorySegment address, MemorySegment length) {
        try {
            return (int) (long) GETPEERNAME.invokeExact(fd, address, length);
        } catch (Throwable t) {
            throw bug(t);
        }
    }

    /** getsockopt(2) of an int, which must not be negative itself (SO_ERROR, buffer sizes, flags are not). */
    static int getsockopt(int fd, int level, int name) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment value = arena.allocate(JAVA_INT);
            MemorySegment length = arena.allocateFrom(JAVA_INT, (int) value.byteSize());
            long result = (long) GETSOCKOPT.invokeExact(fd, level, name, value, length);
            return result < 0 ? (int) result : value.get(JAVA_INT, 0);
        } catch (Throwable t) {
            throw bug(t);
        }
    }

    /** setsockopt(2) of an int. */
    static int setsockopt(int fd, int level, int name, int value) {
        try (Arena arena = Arena.ofConfined()) {
            return (int)
                    (long) SETSOCKOPT.invokeExact(fd, level, name, arena.allocateFrom(JAVA_INT, value), Integer.BYTES);
        } catch (Throwable t) {
            throw bug(t);
        }
    }

    static long sendmsg(int fd, MemorySegment message, int flags) {
        try {
            return (long) SENDMSG.invokeExact(fd, message, flags);
        } catch (Throwable t) {
            throw bug(t);
        }
    }

    static long recvmsg(int fd, MemorySegment message, int flags) {
        try {
            return (long) RECVMSG.invokeExact(fd, message, flags);
        } catch (Throwable t) {
            throw bug(t);
        }
    }

    /** pipe2(2): two descriptors, to read from and to write to. */
    static int pipe(MemorySegment descriptors, int flags) {
        try {
            return (int) (long) PIPE.invokeExact(descriptors, flags);
        } catch (Throwable t) {
            throw bug(t);
        }
    }

    /** fcntl(2) with an int. */
    static int fcntl(int fd, int command, int argument) {
        try {
            return (int) (long) FCNTL.invokeExact(fd, command, argument);
        } catch (Throwable t) {
            throw bug(t);
        }
    }

    /** vmsplice(2) of the memory that so many iovec elements name: bytes. */
    static long vmsplice(int pipe, long iovecAddress, int count, int flags) {
        try {
            return (long) VMSPLICE.invokeExact(pipe, MemorySegment.ofAddress(iovecAddress), (long) count, flags);
        } catch (Throwable t) {
            throw bug(t);
        }
    }

    /** splice(2) between descriptors that have no position: bytes. */
    static long splice(int from, int to, long bytes, int flags) {
        try {
            return (long) SPLICE.invokeExact(from, MemorySegment.NULL, to, MemorySegment.NULL, bytes, flags);
        } catch (Throwable t) {
            throw bug(t);
        }
    }

    /** io_uring_setup(2), for which the C library has no function: a descriptor. */
    static int ioUringSetup(int entries, MemorySegment parameters) {
        try {
            return (int) (long) IO_URING_SETUP.invokeExact((long) Constants.__NR_io_uring_setup, entries, parameters);
        } catch (Throwable t) {
            throw bug(t);
        }
    }

    /** io_uring_enter(2): how many entries the kernel took. */
    static int ioUringEnter(int ring, int submit, int minComplete, int flags) {
        try {
            return (int) (long) IO_URING_ENTER.invokeExact(
                    (long) Constants.__NR_io_uring_enter, ring, submit, minComplete, flags, MemorySegment.NULL, 0L);
        } catch (Throwable t) {
            throw bug(t);
        }
    }

    /** io_uring_register(2). */
    static int ioUringRegister(int ring, int operation, MemorySegment argument, int count) {
        try {
            return (int) (long) IO_URING_REGISTER.invokeExact(
                    (long) Constants.__NR_io_uring_register, ring, operation, argument, count);
        } catch (Throwable t) {
            throw bug(t);
        }
    }

    /** The C library's words for an errno. */
    static String strerror(int errno) {
        try {
            MemorySegment text = (MemorySegment) STRERROR.invokeExact(errno);
            return text.reinterpret(256).getString(0);
        } catch (Throwable t) {
            throw bug(t);
        }
    }

    private static MethodHandle function(String name, MemoryLayout... arguments) {
        return settled(bind(name, INT, arguments));
    }

    private static MethodHandle sized(String name, MemoryLayout... arguments) {
        return settled(bind(name, LONG, arguments)); // ssize_t is long on every Linux ABI
    }

    private static MethodHandle variadic(String name, int firstVariadic, MemoryLayout... arguments) {
        return settled(
                bind(name, FunctionDescriptor.of(INT, arguments), Linker.Option.firstVariadicArg(firstVariadic)));
    }

    /** syscall(2), whose first argument is the number of the call. */
    private static MethodHandle systemCall(MemoryLayout... arguments) {
        return settled(bind("syscall", FunctionDescriptor.of(LONG, arguments), Linker.Option.firstVariadicArg(1)));
    }

    private static MethodHandle bind(String name, MemoryLayout result, MemoryLayout... arguments) {
        return bind(name, FunctionDescriptor.of(result, arguments));
    }

    /** The function with errno captured; whole-word integers are Java longs here, whatever their width in C. */
    private static MethodHandle bind(String name, FunctionDescriptor descriptor, Linker.Option... options) {
        Linker.Option[] all = Arrays.copyOf(options, options.length + 1);
        all[options.length] = Linker.Option.captureCallState("errno");
        MethodHandle handle = LINKER.downcallHandle(LINKER.defaultLookup().findOrThrow(name), descriptor, all);
        MethodType type = handle.type();
        for (int i = 0; i < descriptor.argumentLayouts().size(); i++) {
            if (CType.isWord(descriptor.argumentLayouts().get(i))) {
                type = type.changeParameterType(i + 1, long.class);
            }
        }
        return MethodHandles.explicitCastArguments(handle, type);
    }

    /** Supplies the segment for errno and turns a result of -1 into the negated errno. */
    private static MethodHandle settled(MethodHandle handle) {
        MethodHandle widened =
                MethodHandles.explicitCastArguments(handle, handle.type().changeReturnType(long.class));
        return MethodHandles.filterReturnValue(MethodHandles.foldArguments(widened, Settle.STATE), Settle.RESULT);
    }

    private static int errno(MemorySegment state) {
        return (int) STATE_ERRNO.get(state, 0L);
    }

    private static AssertionError bug(Throwable t) {
        if (t instanceof Error error) {
            throw error;
        }
        return new AssertionError("a native call was bound with the wrong types", t);
    }

    /** In a class of its own, so that the handles exist before the functions above are bound with them. */
    @SuppressWarnings("UnusedMethod") // used by way of the handles
    private static final class Settle {

        static final MethodHandle STATE = find("state", MethodType.methodType(MemorySegment.class));
        static final MethodHandle RESULT = find("settle", MethodType.methodType(long.class, long.class));

        private static MemorySegment state() {
            return Libc.STATE.get();
        }

        private static long settle(long result) {
            return result >= 0 ? result : -errno(Libc.STATE.get());
        }

        private static MethodHandle find(String name, MethodType type) {
            try {
                return MethodHandles.lookup().findStatic(Settle.class, name, type);
            } catch (ReflectiveOperationException e) {
                throw new LinkageError(name, e);
            }
        }
    }
}
