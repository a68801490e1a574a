"""The function by which XLA runs oneDNN's primitives, in LLVM's language.

It must not be one of Python: XLA calls it from threads of its own, which would wait for Python's lock, and which may
still run when Python ends.

All primitives run in one thread of its own, since OpenMP keeps as many threads as there are cores for each thread that
calls it, and XLA has one for each core.
"""

ELSEWHERE = "This program was compiled in another process, which has planned its convolutions; compile it here."
FAILED = "oneDNN failed to run a convolution that it had planned; R3D_JAX_ONEDNN=0 does without oneDNN."
# XLA's structs are those of version 0.3 of its interface (xla/ffi/api/c_api.h); here are offsets in bytes. A frame: 8
# its extension, 16 the interface, 56 how many operands there are, 72 where, 112 the results, 160 the attributes. An
# extension: 8 its kind, 24 the metadata asked for, and of these 24 and 28 the version. A buffer: 24 its values. A
# scalar: 8 where its value is. The interface: 48 the function that makes an error of size, extension, text and code.
CODE = """
@plans = global ptr null
@lock = global [64 x i8] zeroinitializer, align 16
@wanted = global [64 x i8] zeroinitializer, align 16
@done = global [64 x i8] zeroinitializer, align 16
@frame = global ptr null
@plan = global ptr null
@status = global i32 0
@elsewhere = constant [{elsewhere_size} x i8] c"{elsewhere}\\00"
@failed = constant [{failed_size} x i8] c"{failed}\\00"

declare i32 @pthread_mutex_lock(ptr)
declare i32 @pthread_mutex_unlock(ptr)
declare i32 @pthread_create(ptr, ptr, ptr, ptr)
declare i32 @sem_init(ptr, i32, i32)
declare i32 @sem_post(ptr)
declare i32 @sem_wait(ptr)

define i64 @number(ptr %base, i64 %offset) alwaysinline {{
  %at = getelementptr i8, ptr %base, i64 %offset
  %value = load i64, ptr %at
  ret i64 %value
}}

define ptr @pointer(ptr %base, i64 %offset) alwaysinline {{
  %at = getelementptr i8, ptr %base, i64 %offset
  %value = load ptr, ptr %at
  ret ptr %value
}}

define ptr @error(ptr %frame, ptr %text) {{
  %arguments = alloca {{i64, ptr, ptr, i64}}
  %whole = insertvalue {{i64, ptr, ptr, i64}} {{i64 28, ptr null, ptr null, i64 13}}, ptr %text, 2
  store {{i64, ptr, ptr, i64}} %whole, ptr %arguments
  %interface = call ptr @pointer(ptr %frame, i64 16)
  %function = call ptr @pointer(ptr %interface, i64 48)
  %made = call ptr %function(ptr %arguments)
  ret ptr %made
}}

define ptr @handler(ptr %frame) {{
  %extension = call ptr @pointer(ptr %frame, i64 8)
  %plain = icmp eq ptr %extension, null
  br i1 %plain, label %run, label %extended

extended:
  %kind_at = getelementptr i8, ptr %extension, i64 8
  %kind = load i32, ptr %kind_at
  %asked = icmp eq i32 %kind, 1
  br i1 %asked, label %tell, label %run

tell:
  %metadata = call ptr @pointer(ptr %extension, i64 24)
  %version = getelementptr i8, ptr %metadata, i64 24
  store [2 x i32] [i32 0, i32 3], ptr %version
  ret ptr null

run:
  %attributes = call ptr @pointer(ptr %frame, i64 160)
  %attribute = call ptr @pointer(ptr %attributes, i64 0)
  %key_at = call ptr @pointer(ptr %attribute, i64 8)
  %key = load i64, ptr %key_at
  %first = load ptr, ptr @plans
  br label %search

search:
  %plan = phi ptr [%first, %run], [%next, %another]
  %none = icmp eq ptr %plan, null
  br i1 %none, label %unknown, label %compare

compare:
  %its_key = call i64 @number(ptr %plan, i64 8)
  %found = icmp eq i64 %its_key, %key
  br i1 %found, label %start, label %another

another:
  %next = call ptr @pointer(ptr %plan, i64 0)
  br label %search

unknown:
  %unknown_error = call ptr @error(ptr %frame, ptr @elsewhere)
  ret ptr %unknown_error

start:
  %locked = call i32 @pthread_mutex_lock(ptr @lock)
  store ptr %frame, ptr @frame
  store ptr %plan, ptr @plan
  %posted = call i32 @sem_post(ptr @wanted)
  call void @wait(ptr @done)
  %status = load i32, ptr @status
  %unlocked = call i32 @pthread_mutex_unlock(ptr @lock)
  %wrong = icmp ne i32 %status, 0
  br i1 %wrong, label %broken, label %well

well:
  ret ptr null

broken:
  %broken_error = call ptr @error(ptr %frame, ptr @failed)
  ret ptr %broken_error
}}

define void @wait(ptr %semaphore) {{
  br label %again

again:
  %status = call i32 @sem_wait(ptr %semaphore)
  %interrupted = icmp ne i32 %status, 0
  br i1 %interrupted, label %again, label %end

end:
  ret void
}}

define ptr @work(ptr %unused) {{
  br label %next

next:
  call void @wait(ptr @wanted)
  %frame = load ptr, ptr @frame
  %plan = load ptr, ptr @plan
  %status = call i32 @run(ptr %frame, ptr %plan)
  store i32 %status, ptr @status
  %posted = call i32 @sem_post(ptr @done)
  br label %next
}}

define i32 @start() {{
  %thread = alloca i64
  %first = call i32 @sem_init(ptr @wanted, i32 0, i32 0)
  %second = call i32 @sem_init(ptr @done, i32 0, i32 0)
  %status = call i32 @pthread_create(ptr %thread, ptr null, ptr @work, ptr null)
  ret i32 %status
}}

define i32 @run(ptr %frame, ptr %plan) {{
start:
  %count = call i64 @number(ptr %frame, i64 56)
  %operands = call ptr @pointer(ptr %frame, i64 72)
  %results = call ptr @pointer(ptr %frame, i64 112)
  %place_count = call i64 @number(ptr %plan, i64 16)
  %places = call ptr @pointer(ptr %plan, i64 24)
  %step_count = call i64 @number(ptr %plan, i64 32)
  %steps = call ptr @pointer(ptr %plan, i64 40)
  br label %place

place:
  %p = phi i64 [0, %start], [%p_next, %put]
  %unset = phi i32 [0, %start], [%unset_yet, %put]
  %placed = icmp eq i64 %p, %place_count
  br i1 %placed, label %step, label %put

put:
  %place_at = getelementptr [24 x i8], ptr %places, i64 %p
  %memory = call ptr @pointer(ptr %place_at, i64 0)
  %array = call i64 @number(ptr %place_at, i64 8)
  %offset = call i64 @number(ptr %place_at, i64 16)
  %given = icmp slt i64 %array, %count
  %among_results = sub i64 %array, %count
  %index = select i1 %given, i64 %array, i64 %among_results
  %arrays = select i1 %given, ptr %operands, ptr %results
  %buffer_at = getelementptr ptr, ptr %arrays, i64 %index
  %buffer = load ptr, ptr %buffer_at
  %values = call ptr @pointer(ptr %buffer, i64 24)
  %value_at = getelementptr i8, ptr %values, i64 %offset
  %set = call i32 inttoptr (i64 {set_handle} to ptr)(ptr %memory, ptr %value_at)
  %unset_yet = or i32 %unset, %set
  %p_next = add i64 %p, 1
  br label %place

step:
  %s = phi i64 [0, %place], [%s_next, %execute]
  %status = phi i32 [%unset, %place], [%ended, %execute]
  %done = icmp eq i64 %s, %step_count
  %wrong = icmp ne i32 %status, 0
  %over = or i1 %done, %wrong
  br i1 %over, label %end, label %execute

execute:
  %step_at = getelementptr [24 x i8], ptr %steps, i64 %s
  %primitive = call ptr @pointer(ptr %step_at, i64 0)
  %arguments_64 = call i64 @number(ptr %step_at, i64 8)
  %argument_count = trunc i64 %arguments_64 to i32
  %arguments = call ptr @pointer(ptr %step_at, i64 16)
  %stream = inttoptr i64 {stream} to ptr
  %function = inttoptr i64 {execute} to ptr
  %ended = call i32 %function(ptr %primitive, ptr %stream, i32 %argument_count, ptr %arguments)
  %s_next = add i64 %s, 1
  br label %step

end:
  ret i32 %status
}}
"""
