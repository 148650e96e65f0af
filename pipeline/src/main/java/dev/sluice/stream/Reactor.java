// SPDX-License-Identifier: Apache-2.0
package dev.sluice.stream;

import dev.sluice.linux.Constants;
import dev.sluice.linux.Epoll;
import dev.sluice.linux.EventFd;
import dev.sluice.linux.LinuxException;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The one thread of a pipeline that waits, on all its file descriptors at once. A registration is armed for one event;
 * when that comes, its handler is called on the reactor's thread and passes the word to the stage or actor concerned.
 * Spurious events happen, so whoever is told tries, without blocking, and arms again.
 */
public final class Reactor implements AutoCloseable {

    private static final Logger LOG = LoggerFactory.getLogger(Reactor.class);
    private static final long WAKE_UP = 0;

    private final Epoll epoll = new Epoll();
    private final EventFd wakeUp = new EventFd();
    private final ConcurrentHashMap<Long, Registration> registrations = new ConcurrentHashMap<>();
    private final AtomicLong nextKey = new AtomicLong(WAKE_UP + 1);
    private final Thread thread;
    private volatile boolean closed;

    public Reactor(String pipeline) throws LinuxException {
        epoll.add(wakeUp.fd(), Constants.EPOLLIN, WAKE_UP);
        thread = Thread.ofPlatform().name("reactor-" + pipeline).daemon().start(this::run);
    }

    /** Told of events on the reactor's thread; must not block and must not throw. */
    @FunctionalInterface
    public interface Handler {
        /**
         * Something happened on the descriptor.
         *
         * @param events EPOLLIN, EPOLLOUT, EPOLLERR, EPOLLHUP as they hold
         */
        void ready(int events);
    }

    /** Watches a descriptor, which stays the caller's. Nothing is reported before it is armed. */
    public Registration register(int fd, Handler handler) {
        Registration registration = new Registration(nextKey.getAndIncrement(), fd, handler);
        registrations.put(registration.key, registration);
        return registration;
    }

    /** One watched descriptor. Any thread may call. */
    public final class Registration implements AutoCloseable {

        private final long key;
        private final int fd;
        private final Handler handler;
        private boolean added;

        private Registration(long key, int fd, Handler handler) {
            this.key = key;
            this.fd = fd;
            this.handler = handler;
        }

        /** Asks for one event; errors and hang-ups are reported also when {@code events} is 0 (man 2 epoll_ctl). */
        public synchronized void arm(int events) throws LinuxException {
            if (added) {
                epoll.modify(fd, events | Constants.EPOLLONESHOT, key);
            } else {
                epoll.add(fd, events | Constants.EPOLLONESHOT, key);
                added = true;
            }
        }

        /** Called before the descriptor is closed. The handler may be in the middle of one last call. */
        @Override
        public synchronized void close() {
            if (registrations.remove(key) != null && added && !closed) {
                try {
                    epoll.remove(fd);
                } catch (LinuxException e) {
                    LOG.debug("descriptor {} was not watched any more", fd, e);
                }
            }
        }
    }

    private void run() {
        try {
            while (!closed) {
                int count = epoll.await(-1);
                for (int i = 0; i < count; i++) {
                    Registration registration = registrations.get(epoll.data(i));
                    if (registration != null) {
                        tell(registration, epoll.events(i));
                    }
                }
            }
        } catch (LinuxException e) {
            LOG.error("the reactor stopped: {}", e.getMessage());
        }
    }

    /** A handler that fails is one pipeline's defect; the others are still to be told of their events. */
    private static void tell(Registration registration, int events) {
        try {
            registration.handler.ready(events);
        } catch (RuntimeException e) {
            LOG.error("an event of descriptor {} was lost", registration.fd, e);
        }
    }

    /** Ends the thread and waits for it. */
    @Override
    public void close() {
        closed = true;
        wakeUp.signal();
        boolean interrupted = false;
        while (thread.isAlive()) {
            try {
                thread.join();
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
        epoll.close();
        wakeUp.close();
    }
}
